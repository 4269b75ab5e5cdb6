"""Windows that nobody means to record: private browsing and password managers, by the marks they bear.

Pure data and one question. Marks of private browsing are looked for only where browsers write them, at the end of the
title and beside the browser's own name, so that a page *about* private browsing in an ordinary window stays visible:
there the title ends with the browser's name alone.

Chromium does not mark the titles of private windows on X11, but for an empty tab; such a window is known by its title
only where the browser (Edge, and others made from it) does mark it, or by its process having been started in private
mode.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pepys.record.exclusions_text import plain

PRIVATE_BROWSERS: Final = (
    "Firefox", "LibreWolf", "Waterfox", "Floorp", "Zen", "Tor Browser", "Mullvad Browser", "Chromium", "Chrome", "Edge",
    "Brave", "Vivaldi", "Opera", "Yandex", "Safari", "GNOME Web", "Falkon", "qutebrowser",
)  # fmt: skip
"""Browsers whose private windows are left out."""

SECRET_KEEPERS: Final = {
    "KeePassXC": r"(org\.)?keepassxc(\..*)?",
    "KeePass": r"keepass[x2]?(\.exe)?",
    "1Password": r"(com\.)?1password([.-].*)?",
    "Bitwarden": r"(com\.)?bitwarden([.-].*)?",
    "Enpass": r"enpass([.-].*)?",
    "Proton Pass": r"(me\.)?proton[ ._-]?pass([.-].*)?",
    "Dashlane": r"dashlane([.-].*)?",
    "LastPass": r"lastpass([.-].*)?",
    "NordPass": r"nordpass([.-].*)?",
    "RoboForm": r"roboform([.-].*)?",
    "Keeper Password Manager": r"keeper ?password ?manager",
    "Buttercup": r"buttercup(-desktop)?",
    "Padloc": r"padloc",
    "QtPass": r"(org\.ijhack\.)?qtpass",
    "Password Safe": r"pwsafe|passwordsafe|org\.gnome\.passwordsafe",
    "GNOME Secrets": r"(org\.gnome\.world\.)?secrets",
    "Seahorse": r"(org\.gnome\.)?seahorse(\..*)?",
    "GNOME keyring prompts": r"gcr4?-(prompter|viewer)|gnome-keyring.*",
    "KWallet": r"(org\.kde\.)?(kwalletmanager|kwalletd|ksecretd)\d*",
    "pinentry": r"pinentry([.-].*)?",
    "polkit agents": r".*(polkit|policykit).*agent.*|lxpolkit|xfce-polkit",
    "ssh-askpass": r".*ssh-?askpass.*",
    "sudo prompts": r"gksu(do)?|kdesu(do)?\d*|lxqt-sudo",
    "one-time codes": r"authy.*|ente[ _-]?auth|(com\.belmoussaoui\.)?authenticator|otpclient",
}
"""Password managers and prompts for secrets, and how their applications and processes are called."""

_TITLED: Final = (
    "KeePassXC", "KeePass", "KeePassX", "1Password", "Bitwarden", "Enpass", "Proton Pass", "Dashlane", "LastPass",
    "NordPass", "RoboForm", "Keeper Password Manager",
)  # fmt: skip

_GECKO_BRANDS: Final = (
    "Mozilla Firefox", "Firefox Developer Edition", "Firefox Nightly", "Firefox", "Nightly", "LibreWolf", "Waterfox",
    "Ablaze Floorp", "Floorp", "Zen Browser", "GNU IceCat", "IceCat", "Iceweasel", "Pale Moon", "Basilisk", "SeaMonkey",
)  # fmt: skip
_CHROMIUM_BRANDS: Final = (
    "Google Chrome", "Google Chrome Beta", "Google Chrome Dev", "Chromium", "Brave", "Brave Browser", "Vivaldi",
    "Opera", "Yandex Browser", "Ungoogled Chromium", "Thorium",
)  # fmt: skip

# What browsers call it, in the languages that they are most used in.
_PRIVATE: Final = (
    "Private Browsing", "Private", "Private Mode", "Private Window", "Privater Modus", "Privates Fenster", "Privat",
    "Navigation privée", "Navegación privada", "Modo privado", "Navigazione anonima", "Navigazione privata",
    "Navegação privativa", "Navegação privada", "Navegação anônima", "Privénavigatie", "Privé", "Tryb prywatny",
    "Prywatne", "Приватный просмотр", "Приватное окно", "Частный просмотр", "Приватний перегляд", "Anonymní prohlížení",
    "Soukromé", "Súkromné prehliadanie", "Privát böngészés", "Navigare privată", "Поверително сърфиране",
    "Поверително разглеждане", "Ιδιωτική περιήγηση", "Gizli Gezinti", "Gizli", "Privat surfning", "Privat webbläsning",
    "Privat browsing", "Privat nettlesing", "Yksityinen selaus", "Yksityinen selaustila",
    "プライベートブラウジング", "プライベート", "隐私浏览", "隐私窗口", "隱私瀏覽", "隱私視窗", "사생활 보호 모드",
    "비공개", "تصفح خاص", "التصفح الخاص", "التصفّح الخاص", "גלישה פרטית", "निजी ब्राउज़िंग", "Penjelajahan Pribadi",
    "Mode Pribadi", "Duyệt web riêng tư", "Duyệt riêng tư", "การท่องเว็บแบบส่วนตัว", "مرور خصوصی", "مرور ناشناس",
    "Navegació privada", "Privatno pregledavanje", "Privatno pretraživanje", "Приватно прегледање", "Zasebno brskanje",
    "Privaatne veebilehitsemine", "Privatusis naršymas", "Privātā pārlūkošana", "ব্যক্তিগত ব্রাউজিং",
)  # fmt: skip
_INCOGNITO: Final = (
    "Incognito", "Inkognito", "Inkognitomodus", "Incógnito", "De incógnito", "Anônima", "Anónima", "Navigation privée",
    "In incognito", "Инкогнито", "Анонімний режим", "Анонимно", "Anonymní", "Inkognitó", "Gizli", "Ανώνυμη περιήγηση",
    "Incognito-tila", "シークレット", "シークレット モード", "无痕模式", "無痕模式", "无痕式窗口", "無痕式視窗",
    "시크릿 모드", "시크릿", "التصفح المتخفي", "وضع التصفح المتخفي", "גלישה בסתר", "गुप्त", "Samaran", "Ẩn danh",
    "ไม่ระบุตัวตน", "ناشناس", "Guest", "Tor", "InPrivate",
)  # fmt: skip
_EMPTY_TABS: Final = (
    "New Incognito Tab", "New Private Tab", "New Private Window", "New InPrivate tab", "Neuer Inkognito-Tab",
    "Neuer Inkognitotab", "Neuer privater Tab", "Nouvel onglet de navigation privée", "Nouvel onglet privé",
    "Nueva pestaña de incógnito", "Nueva pestaña privada", "Nuova scheda di navigazione in incognito",
    "Nuova scheda in incognito", "Nova guia anônima", "Novo separador de navegação anónima", "Nieuw incognitotabblad",
    "Nowa karta incognito", "Новая вкладка в режиме инкогнито", "Новая вкладка инкогнито", "Нова анонімна вкладка",
    "Нова вкладка в режимі анонімного перегляду", "Nová anonymní karta", "Nová karta inkognito", "Új inkognitólap",
    "Filă incognito nouă", "Нов раздел в режим „инкогнито“", "Νέα καρτέλα για ανώνυμη περιήγηση",
    "Νέα καρτέλα ανώνυμης περιήγησης", "Yeni Gizli sekme", "Ny inkognitoflik", "Ny inkognitofane",
    "Uusi incognito-välilehti", "新しいシークレット タブ", "新しいシークレットタブ", "新无痕式标签页",
    "打开新的无痕式标签页", "新無痕式分頁", "新的無痕式分頁", "새 시크릿 탭",
    "علامة تبويب جديدة للتصفّح المتخفي", "כרטיסייה חדשה לגלישה בסתר",
    "नया गुप्त टैब", "Tab Samaran baru", "Tab ẩn danh mới", "แท็บใหม่ที่ไม่ระบุตัวตน", "برگه ناشناس جدید",
)  # fmt: skip

_TAIL_CHARS: Final = 200
_PRIVATE_STARTS: Final = ("--incognito", "-incognito", "--inprivate", "-inprivate", "--private", "-private", "--tor")
_WHOLE_BROWSERS: Final = r"tor[ -]?browser|torbrowser-launcher|mullvad[ -]?browser|mullvadbrowser"
_GECKO_APPS: Final = (
    r"(org\.mozilla\.)?(firefox|navigator|librewolf|waterfox|floorp|zen|icecat|iceweasel|pale ?moon|basilisk|seamonkey"
    r"|mozilla|nightly)([ ._-].*)?|one\.ablaze\.floorp|app\.zen_browser\.zen|io\.gitlab\.librewolf-community"
)


def marked(title: str, applications: Iterable[str], process: str, switches: Iterable[str]) -> bool:
    """Whether a window bears a mark of private browsing or belongs to a keeper of secrets.

    Args:
        title: its title.
        applications: its instance and class names.
        process: its process' name.
        switches: what that process was started with.
    """
    names = [plain(name) for name in (*applications, process) if name]
    if any(_KEEPERS.fullmatch(name) for name in names):
        return True
    # Invisible signs stand in some names: Edge writes its own with a zero-width space. Marks end a title, so
    # that only its end is looked at: a page may give itself a title of any length.
    text = plain(title[-_TAIL_CHARS:]).strip()
    if _MARKED.search(text):
        return True
    if any(_GECKO.fullmatch(name) for name in names):
        return _UNPLAIN.search(text) is not None
    return bool(names) and any(switch.startswith(_PRIVATE_STARTS) for switch in switches)


def _any(words: Iterable[str]) -> str:
    return "(?:" + "|".join(sorted((re.escape(plain(word)) for word in set(words)), key=len, reverse=True)) + ")"


_KEEPERS: Final = re.compile("|".join((*SECRET_KEEPERS.values(), _WHOLE_BROWSERS)))
_GECKO: Final = re.compile(_GECKO_APPS)
_DASH: Final = r"(?:^|(?<=\s[-–—|]\s))"
_BRANDS: Final = _any((*_GECKO_BRANDS, *_CHROMIUM_BRANDS))
_MARKS: Final = _any((*_PRIVATE, *_INCOGNITO))
_MARKED: Final = re.compile(
    "|".join(
        (
            # Page — Mozilla Firefox Private Browsing; Page - Google Chrome (Incognito); Page - Brave - Private
            rf"{_DASH}{_BRANDS}(?: {_any(_PRIVATE)}|(?: [-–—])? ?[(（\[]{_MARKS}[)）\]]| [-–—] {_MARKS})$",
            # Page (Private) - Opera
            rf"[(（\[]{_MARKS}[)）\]] [-–—] {_BRANDS}$",
            # Page and 2 more pages - [InPrivate] - Microsoft Edge
            r"(?:^|\s)\[?InPrivate\]?(?: [-–—] .+)? [-–—] Microsoft Edge(?: \w+)?$",
            rf"^{_any(_EMPTY_TABS)}(?: [-–—] {_BRANDS}| [-–—] Microsoft Edge(?: \w+)?)?$",
            r"^\[Private Mode\] .*qutebrowser$",
            rf"(?:Falkon|Midori|Epiphany|Safari) [(（]{_any(_PRIVATE)}[)）]$|[-–—] Safari [-–—] {_any(_PRIVATE)}$",
            rf"{_DASH}(?:Tor Browser|Mullvad Browser)$",
            rf"{_DASH}{_any(_TITLED)}$",
        )
    ),
    re.IGNORECASE,
)
# In a window of Firefox or its kin, whatever stands behind the brand marks it, in any language.
_UNPLAIN: Final = re.compile(rf"{_DASH}{_any(_GECKO_BRANDS)}(?! (?:Developer Edition|Nightly)$)\s.*\S$", re.IGNORECASE)
