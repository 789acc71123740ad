"""The checking page is one file, whose rules let nothing in or out, put together from modules that see what they import."""

import re

import pytest

from rapha.errors import ConfigurationError
from rapha.proof import page
from rapha.proof.page import HERE, ORDER, assembled, page_policy, receipt_page


def test_the_page_is_whole() -> None:
    html = receipt_page()
    assert not re.search(r"@(policy|style|script|version)@", html)
    assert html.count("<script>") == html.count("</script>") == 1
    assert not re.search(r"""(src|href)\s*=\s*["'](?!\$)""", html), "it names another file"
    assert "import {" not in html


def test_its_rules_allow_its_own_script_and_style_alone() -> None:
    assert re.fullmatch(
        r"default-src 'none'; connect-src 'none'; script-src 'sha256-[\w+/]{43}='; style-src 'sha256-[\w+/]{43}='; "
        r"base-uri 'none'; form-action 'none'",
        page_policy(),
    )


def test_every_module_is_in_it() -> None:
    assert {path.stem for path in HERE.glob("*.js")} == set(ORDER)


def test_a_module_sees_what_it_imports() -> None:
    script = assembled(
        {"a": "export const X = 1, Y = 2;\n", "b": 'import {X, Y} from "./a.js";\nexport function z() {}\n'}
    )
    assert "const {X, Y} = a_js;" in script and "return {X, Y};" in script and "return {z};" in script


@pytest.mark.parametrize(
    "source",
    [
        'import {gone} from "./stated.js";\n',
        'import {said} from "./later.js";\n',
        'import * as all from "./stated.js";\n',
        'const a = "</SCRIPT>";\n',
        "// <!-- a comment of old\n",
    ],
)
def test_a_module_that_does_not_fit_is_refused(source: str) -> None:
    with pytest.raises(ConfigurationError):
        assembled({"one": source})


def test_a_word_of_a_schema_that_the_page_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="oneOf"):
        page._shape({"properties": {"a": {"oneOf": []}}})


def test_words_in_the_script_cannot_end_it() -> None:
    assert page._in_script({"a": "</script><!--"}) == '{"a":"\\u003c/script>\\u003c!--"}'
