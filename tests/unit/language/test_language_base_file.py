"""A base is read to the byte, or not at all."""

import json
from pathlib import Path

import pytest

from rapha.errors import StudyError, TrainingFailed, Unproven
from rapha.language.base_file import BaseModelFile, laid_out, read_base, written
from rapha.language.byte_pairs import LETTERS, BytePairs, pieces
from rapha.records.study import Study
from rapha.sdk.graph_file import read_graph_of
from rapha.sdk.lora_files import ADAPTER_CONFIG_FILE, ADAPTER_FILE, pack_base, write_adapter
from rapha.sdk.study_file import read_study_and_graph

FOLDER = Path(__file__).parents[3] / "examples" / "adapter-for-clinic-letters"
BASE = (FOLDER / "base.safetensors").read_bytes()


@pytest.fixture(scope="module")
def base() -> BaseModelFile:
    return read_base(BASE)


def again(
    base: BaseModelFile, config: dict | None = None, tokenizer: dict | None = None, drop: str = "", extra: str = ""
) -> bytes:
    """The base with something else in it. A value of None takes the key away."""
    said = {name: json.loads(base.said[name]) for name in ("config", "tokenizer")}
    for name, changes in (("config", config), ("tokenizer", tokenizer)):
        for key, value in (changes or {}).items():
            place = said[name]
            *path, last = key.split(".")
            for step in path:
                place = place[step]
            place.pop(last) if value is None else place.__setitem__(last, value)
    tensors = {
        name: (span.element, span.shape, bytes(span.content)) for name, span in base.tensors.items() if name != drop
    }
    if extra:
        tensors[extra] = ("F32", (1,), b"\0" * 4)
    return written(json.dumps(said["config"]).encode(), json.dumps(said["tokenizer"]).encode(), tensors)


def refusal(content: bytes) -> str:
    with pytest.raises(TrainingFailed) as error:
        read_base(content)
    assert error.value.reason == "graph-refused"
    return str(error.value)


def test_it_is_read_whole_and_written_alike(base: BaseModelFile) -> None:
    assert base.shape.num_hidden_layers == 2 and base.first == 0 and base.theta == 10_000.0
    assert sum(len(span.content) for span in base.tensors.values()) < len(BASE)
    assert read_base(again(base)).tensors.keys() == base.tensors.keys()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": {"model_type": "gpt2"}}, "model_type"), ({"config": {"hidden_act": "gelu"}}, "hidden_act"),
        ({"config": {"attention_bias": True}}, "attention_bias"), ({"config": {"auto_map": {"AutoModel": "evil.Model"}}}, "auto_map"),
        ({"config": {"quantization_config": {}}}, "quantization_config"), ({"config": {"num_key_value_heads": 3}}, "heads"),
        ({"config": {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}}, "rotary"), ({"config": {"hidden_size": 32}}, "shape"),
        ({"config": {"bos_token_id": 512}}, "bos_token_id"), ({"config": {"vocab_size": 300}}, "more tokens"),
        ({"config": {"num_hidden_layers": 3}}, "layers.2"), ({"drop": "model.norm.weight"}, "model.norm.weight"), ({"extra": "lm_head.weight"}, "lm_head"),
        ({"tokenizer": {"normalizer": {"type": "NFC"}}}, "BPE"), ({"tokenizer": {"model.type": "Unigram"}}, "BPE"),
        ({"tokenizer": {"model.byte_fallback": True}}, "byte_fallback"), ({"tokenizer": {"model.merges": [["a"]]}}, "merges"),
        ({"tokenizer": {"model.merges": ["q\u0120 zz"]}}, "vocabulary"), ({"tokenizer": {"pre_tokenizer": {"type": "Whitespace"}}}, "cuts"),
        ({"tokenizer": {"pre_tokenizer.use_regex": False}}, "cuts"), ({"tokenizer": {"model.vocab": {"a": 1}}}, "256"),
        ({"tokenizer": {"model.vocab.a": None}}, "lacks a byte"), ({"tokenizer": {"model.vocab.a": 70}}, "twice"),
        ({"tokenizer": {"model.vocab.a": -1}}, "number"),
    ],
)  # fmt: skip
def test_a_base_of_another_form_is_refused_by_what_differs(base: BaseModelFile, change: dict, said: str) -> None:
    assert said in refusal(again(base, **change))


def test_bytes_that_are_no_base_are_refused(base: BaseModelFile) -> None:
    length = int.from_bytes(BASE[:8], "little")
    header = json.loads(BASE[8 : 8 + length])

    def with_header(changed: object) -> bytes:
        text = json.dumps(changed).encode()
        return len(text).to_bytes(8, "little") + text + BASE[8 + length :]

    name = "model.norm.weight"
    moved = json.loads(json.dumps(header))
    moved[name]["data_offsets"] = [0, 128]
    typed = json.loads(json.dumps(header))
    typed[name]["dtype"] = "I64"
    for wrong in (b"", BASE[:100], BASE[:-1], BASE + b"\0", (1 << 62).to_bytes(8, "little") + BASE[8:], with_header([]), with_header(moved),
                  with_header(typed), with_header({k: v for k, v in header.items() if k != "__metadata__"}),
                  BASE.replace(b'"__metadata__"', b'"model.norm.weight"', 1)):  # fmt: skip
        refusal(wrong)


def test_texts_are_cut_as_gpt_2_cuts_them() -> None:
    assert list(pieces("It's  6 ft\n\n tall'!", False)) == ["It", "'s", " ", " 6", " ft", "\n\n", " tall", "'!"]
    assert list(pieces("No 120/80", True)) == ["No", " ", "1", "2", "0", "/", "8", "0"]
    assert list(pieces("", True)) == []


def test_pairs_are_joined_by_rank(base: BaseModelFile) -> None:
    stated = {
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "model": {"type": "BPE", "merges": ["b c", "a b", "ab c", "a bc"], "vocab": {
            token: place for place, token in enumerate([*LETTERS.values(), "bc", "ab", "abc"])}},
    }  # fmt: skip
    tokens = BytePairs(stated)
    assert tokens.encode("abc") == [258] and tokens.encode("abab") == [257, 257]
    assert tokens.encode("<|endoftext|>abc", at_most=3) == tokens.encode("<|e")[:3]
    assert len(tokens.encode("ab" * 50_000)) == 50_000  # in n log n


def test_the_adapters_folder_is_pefts(tmp_path: Path) -> None:
    study, _ = read_study_and_graph(FOLDER / "study.yaml")
    names = list(study.model.parameters)
    tensors = {name: ("F32", shape, bytes(4 * shape[0] * shape[1])) for name, shape in study.model.parameters.items()}
    (tmp_path / "model.safetensors").write_bytes(laid_out({}, {**tensors, "features.mean": ("F32", (0,), b"")}))
    write_adapter(tmp_path, study)
    content = (tmp_path / ADAPTER_FILE).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header.pop("__metadata__")["rapha.base"] == study.model.base and sorted(header) == sorted(names)
    config = json.loads((tmp_path / ADAPTER_CONFIG_FILE).read_text())
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (8, 16, ["down_proj", "q_proj", "v_proj"])
    assert config["base_model_name_or_path"] is None
    (tmp_path / "model.safetensors").write_bytes(laid_out({}, dict(list(tensors.items())[1:])))
    with pytest.raises(Unproven):
        write_adapter(tmp_path, study)


def test_a_folder_that_is_no_model_is_not_packed(tmp_path: Path, base: BaseModelFile) -> None:
    with pytest.raises(StudyError, match=r"config\.json"):
        pack_base(tmp_path, tmp_path / "base.safetensors")
    (tmp_path / "config.json").write_text(base.said["config"].replace("llama", "mamba"))
    (tmp_path / "tokenizer.json").write_text(base.said["tokenizer"])
    (tmp_path / "model.safetensors").write_bytes(BASE)
    with pytest.raises(StudyError, match="model_type"):
        pack_base(tmp_path, tmp_path / "base.safetensors")
    assert not (tmp_path / "base.safetensors").exists()


def test_a_delivered_base_is_the_one_that_was_signed(tmp_path: Path) -> None:
    study, content = read_study_and_graph(FOLDER / "study.yaml")
    (tmp_path / "base.safetensors").write_bytes(content or b"")
    assert read_graph_of(tmp_path, study) == content
    (tmp_path / "base.safetensors").write_bytes((content or b"")[:-1] + b"\1")
    with pytest.raises(Unproven, match="not the file"):
        read_graph_of(tmp_path, study)


def test_a_study_file_says_what_is_wrong_with_its_base(tmp_path: Path) -> None:
    text = (FOLDER / "study.yaml").read_text()
    for name, content, said in (
        ("base.safetensors", b"no base", "base: "),
        ("other", b"", "base.safetensors cannot be read"),
    ):
        (tmp_path / "study.yaml").write_text(text)
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StudyError, match=said):
            read_study_and_graph(tmp_path / "study.yaml")
        (tmp_path / name).unlink()
    (tmp_path / "base.safetensors").write_bytes(BASE)
    (tmp_path / "study.yaml").write_text(text.replace("tokens: 96", "tokens: 500"))
    with pytest.raises(StudyError, match="at most 480 tokens"):
        read_study_and_graph(tmp_path / "study.yaml")


def test_a_study_names_the_base_by_its_digest() -> None:
    study, content = read_study_and_graph(FOLDER / "study.yaml")
    assert isinstance(study, Study) and content == BASE
    assert (study.model.size_bytes, study.model.layers) == (len(BASE), 2)
