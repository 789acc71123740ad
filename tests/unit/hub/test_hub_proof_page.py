"""The hub serves the checking page under the page's own rules."""

from hub_at_hand import HubAtHand

from rapha.proof.page import page_policy, receipt_page


def test_the_page_is_the_one_in_every_folder(hub: HubAtHand) -> None:
    answer = hub.http.get("/proof")
    assert answer.status_code == 200
    assert answer.text == receipt_page()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == f"{page_policy()}; frame-ancestors 'none'"
