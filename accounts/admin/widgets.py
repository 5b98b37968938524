"""The theme's widgets under plain names, and the radio of which one choice may be barred."""

from typing import TYPE_CHECKING, Any

from accounts.rules.credit import CreditLossAction

if TYPE_CHECKING:
    from django.forms import PasswordInput, Select, TextInput
    from django.forms import RadioSelect as _RadioSelect

    class RadioSelect(_RadioSelect):
        def __init__(self, radio_style: int | None = None, attrs: Any = None, choices: Any = ()) -> None: ...
else:
    from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
    from unfold.widgets import UnfoldAdminRadioSelectWidget as RadioSelect
    from unfold.widgets import UnfoldAdminSelectWidget as Select
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput


class ActionRadio(RadioSelect):
    """The credit loss actions; auto-liquidate is barred while it cannot be chosen and does not stand."""

    def __init__(self, *, bars_auto_liquidate: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bars_auto_liquidate = bars_auto_liquidate

    def create_option(
        self, name: str, value: Any, label: Any, selected: Any, index: int, subindex: Any = None, attrs: Any = None
    ) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(name, value, label, selected, index, subindex, attrs)
        if self.bars_auto_liquidate and value == CreditLossAction.AUTO_LIQUIDATE and not selected:
            option["attrs"]["disabled"] = True
        return option


__all__ = ["ActionRadio", "PasswordInput", "RadioSelect", "Select", "TextInput"]
