"""Every key of the screen, once: bindings, footer, help and palette are made of this table."""

from equitr_coder.domain.frozen import frozen


@frozen
class Key:
    keys: tuple[str, ...]
    """As Textual names them."""
    shown: str
    """As a person reads it: `Ctrl+P`, `F8`, `Alt+Up`."""
    label: str
    """What it does, in one to four words. The same in footer, help and palette."""
    action: str
    """Textual's action name, without `action_`."""
    where: str = ""
    """Place whose pane must have the focus, `prompt`, or empty: everywhere."""
    in_footer: bool = False
