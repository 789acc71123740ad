"""Words that canaries are made of: half of them plain ones, of this list, and half made up of syllables and numbers, as names are."""

import torch

WORDS = tuple(
    """
    able acute after again alone always ankle answer arm arrived asked asthma aunt back bed before begins belly better blood blue boat
    bone bread breath bridge bring brother calm care chair chest child church clear clinic coast cold colour comes common cook corner
    cough country cup daily daughter dinner doctor door dose drinks dry early east edge eight elbow empty evening examined eye face
    family far farm father feels fever field finger fire first five floor follow foot four friend full garden gave general glass gone
    good green ground hand happy hard head healthy hears heart heavy help hill history home hospital hour house hurt infection inside
    island joint kept kidney kitchen knee known lake large last late left leg letter light liver long low lung main march market
    meal medicine mild milk minute month morning mother mountain moved muscle narrow neck never night nine normal north nose nurse
    often old once open operation other over pain pale paper past patient physician plan pressure pulse quick quiet rain rash reason
    red rest rice right river road room rose round salt scan school sea seen sent seven severe shoe short shoulder sister six skin
    sleep slow small smoke soft son south spoke spring stable stairs start stays stone stop street strong sugar summer swelling table
    tablet tall tea ten throat tired today tooth town train tree treated twice under uncle urine usual valley visit voice waits walks
    warm water weak week weight well west wet white wide wife window winter woman wood work worse wound wrist writes year yellow young
    """.split()  # noqa: SIM905 - forty lines shorter
)
_BEGIN = ("b", "ch", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z")
_SOUND = ("a", "e", "i", "o", "u", "ei", "ou")
_END = ("", "", "n", "r", "s", "ck", "ld", "ng")


def word(chance: torch.Generator) -> str:
    """One word, with the blank before it."""
    match _drawn(4, chance):
        case 0:
            return f" {_drawn(10_000, chance)}"
        case 1:
            return f" {_name(chance)}"
        case _:
            return f" {WORDS[_drawn(len(WORDS), chance)]}"


def _name(chance: torch.Generator) -> str:
    syllables = ("".join(part[_drawn(len(part), chance)] for part in (_BEGIN, _SOUND, _END)) for _ in range(2))
    return "".join(syllables).capitalize()


def _drawn(below: int, chance: torch.Generator) -> int:
    return int(torch.randint(below, (1,), generator=chance))
