"""The page that checks receipts in a browser, at `/proof`. It asks this hub nothing: whoever saved it needs no hub."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from rapha.proof.page import page_policy, receipt_page

router = APIRouter(tags=["public"])


@router.get("/proof", response_class=HTMLResponse)
def proof() -> HTMLResponse:
    """The same file that every model folder has as receipt.html."""
    headers = {
        "Content-Security-Policy": f"{page_policy()}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(receipt_page(), headers=headers)
