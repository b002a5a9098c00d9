"""Someone who reviews in a real browser, by keyboard."""

from typing import Any

READY = "#item[aria-busy=false]:not([hidden])"


class Reader:
    """A page of a browser at the address of a review; what its console says is kept.

    expected: parts of messages in the console that the test brings about.
    """

    def __init__(self, context: Any, address: str):
        self.address, self.expected = address, []
        self.messages: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(5000)
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))

    def open(self, fragment: str = "", wait: str = READY) -> "Reader":
        self.page.goto("about:blank")
        self.page.goto(self.address + fragment)
        self.page.wait_for_selector(wait)
        return self

    @property
    def row(self) -> int:
        """The row of the item that is shown."""
        self.page.wait_for_selector(READY)
        return int(self.page.get_attribute("#item", "data-row"))

    def press(self, *keys: str) -> "Reader":
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def decide(self, *keys: str) -> int:
        """Presses keys that decide, and waits for another item; the row that was decided."""
        row = self.row
        self.press(*keys)
        self.page.wait_for_selector(f'{READY}:not([data-row="{row}"])')
        return row

    def text(self, selector: str) -> str:
        return self.page.text_content(selector)

    def wait_said(self, part: str) -> None:
        """Until the status line has these words."""
        self.page.wait_for_function(
            "part => document.getElementById('said').textContent.includes(part)", arg=part
        )

    def shows(self, row: int) -> bool:
        """Waits until that row is shown."""
        self.page.wait_for_selector(f'{READY}[data-row="{row}"]')
        return True

    def unexpected(self) -> list[str]:
        """Messages that no test brought about."""
        return [text for text in self.messages if not any(part in text for part in self.expected)]
