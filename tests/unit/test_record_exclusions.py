"""Patterns of windows that must not be recorded, on titles and names as programs really write them."""

from __future__ import annotations

import unicodedata

import pytest

from pepys.record.exclusions import Exclusions

BUILTIN = Exclusions()


@pytest.mark.parametrize(
    ("pattern", "title", "names", "process", "excluded"),
    [
        ("*secret*", "My SECRET plan", (), "", True),
        ("*secret*", "My plan", (), "", False),
        ("secret", "My secret", (), "", False),
        ("xterm", "anything", ("xterm", "XTerm"), "", True),
        ("XTERM", "anything", ("xterm", "XTerm"), "", True),
        ("kee?assxc", "Passwords", ("other", "Other"), "keepassxc", True),
        ("[a-c]*", "beta", (), "", True),
        ("[!a-c]*", "beta", (), "", False),
        ("*ÄRZTE*", "Praxis der ärzte", (), "", True),
        ("*", "", (), "", True),
        ("*.kdbx*", "home.kdbx [locked]", (), "", True),
        ("two\nlines", "two\nlines", (), "", True),
        ("*bank*", "a\nbank\nb", (), "", True),
    ],
)
def test_a_users_glob_is_for_a_whole_title_or_name(
    pattern: str, title: str, names: tuple[str, ...], process: str, excluded: bool
) -> None:
    assert Exclusions((pattern,), builtin=False).matches(title, names, process) is excluded


@pytest.mark.parametrize(
    ("pattern", "title"),
    [
        ("*Überweisung*", unicodedata.normalize("NFD", "Überweisung.pdf - Files")),
        (unicodedata.normalize("NFD", "*Überweisung*"), "Überweisung.pdf"),
        ("*iş bankası*", "İş Bankası - Mozilla"),
        ("*istanbul*", "İSTANBUL"),
        ("*ISTANBUL*", "ıstanbul"),
        ("*secret*", "my s\u200bec\u00adret\u200d plan"),
        ("*sec\u200bret*", "my secret plan"),
        ("*secret*", "my \uff33\uff25\uff23\uff32\uff25\uff34 plan"),
        ("*my bank*", "my\u00a0bank"),
        ("*straße*", "HAUPTSTRASSE 1"),
        ("*office*", "the o\ufb03ce"),
        ("*b\u202eank*", "bank"),
        ("*heart \u2764*", "heart \u2764\ufe0f"),
        ("what\uff1f", "what?"),
    ],
)
def test_one_text_in_another_spelling_matches(pattern: str, title: str) -> None:
    assert Exclusions((pattern,), builtin=False).matches(title)


def test_a_wide_star_is_no_wildcard() -> None:
    assert not Exclusions(("a\uff0a",), builtin=False).matches("abc")
    assert Exclusions(("a\uff0a",), builtin=False).matches("a*")
    assert not Exclusions(("\uff3bab\uff3d",), builtin=False).matches("a")


def test_private_browsing_is_known_in_another_spelling() -> None:
    title = unicodedata.normalize("NFD", "Wikipédia - Mozilla Firefox (Navigation privée)")
    assert BUILTIN.matches(title)
    assert BUILTIN.matches("Neuer Inkognito-\u200bTab - Chromium")


def test_what_exclusions_cannot_know_is_told() -> None:
    told = " ".join(Exclusions(("a",), builtin=False).describe().limits)
    assert "overview" in told
    assert "inside" in told


FIREFOX = ("Navigator", "firefox")
CHROME = ("google-chrome", "Google-chrome")

PRIVATE = [
    ("Mozilla Firefox Private Browsing", FIREFOX),
    ("Wikipedia — Mozilla Firefox Private Browsing", FIREFOX),
    ("Wikipedia - Mozilla Firefox (Private Browsing)", FIREFOX),
    ("Wikipedia — Mozilla Firefox Private Browsing", ()),
    ("Wikipedia — Mozilla Firefox Privater Modus", FIREFOX),
    ("Wikipédia - Mozilla Firefox (Navigation privée)", FIREFOX),
    ("Wikipédia — Navigation privée de Mozilla Firefox ici — Mozilla Firefox (Navigation privée)", FIREFOX),
    ("Wikipedia - Mozilla Firefox (Navegación privada)", FIREFOX),
    ("Википедия — Mozilla Firefox — Приватный просмотр", FIREFOX),
    ("ウィキペディア — Mozilla Firefox プライベートブラウジング", FIREFOX),
    ("维基百科 — Mozilla Firefox 隐私浏览", FIREFOX),
    ("Vikipedio — Mozilla Firefox Privata retumo", FIREFOX),
    ("Page — LibreWolf Private Browsing", ("Navigator", "librewolf")),
    ("DuckDuckGo — Tor Browser", ("Navigator", "Tor Browser")),
    ("anything at all", ("Navigator", "Tor Browser")),
    ("New Incognito Tab - Google Chrome", CHROME),
    ("Neuer Inkognito-Tab - Chromium", ("chromium", "Chromium")),
    ("Bank - Google Chrome (Incognito)", CHROME),
    ("Bank - Google Chrome (Inkognito)", CHROME),
    ("Search - [InPrivate] - Microsoft​ Edge", ("microsoft-edge", "Microsoft-edge")),
    ("Bank and 2 more pages - [InPrivate] - Microsoft Edge", ("microsoft-edge", "Microsoft-edge")),
    ("New InPrivate tab - Microsoft Edge", ("microsoft-edge", "Microsoft-edge")),
    ("Bank - Brave (Private)", ("brave-browser", "Brave-browser")),
    ("New Private Tab - Brave", ("brave-browser", "Brave-browser")),
    ("Bank (Private) - Opera", ("opera", "Opera")),
    ("Bank - Vivaldi - Private", ("vivaldi-stable", "Vivaldi-stable")),
    ("[Private Mode] bank - qutebrowser", ("qutebrowser", "qutebrowser")),
]

ORDINARY = [
    ("Private Browsing - Wikipedia — Mozilla Firefox", FIREFOX),
    ("How to use Mozilla Firefox Private Browsing — Mozilla Firefox", FIREFOX),
    ("Firefox Private Browsing - Google Chrome", CHROME),
    ("What is Google Chrome (Incognito)? - Google Chrome", CHROME),
    ("Incognito (film) - Wikipedia - Chromium", ("chromium", "Chromium")),
    ("How to use [InPrivate] mode - Personal - Microsoft Edge", ("microsoft-edge", "Microsoft-edge")),
    ("Mozilla Firefox", FIREFOX),
    ("New Tab - Google Chrome", CHROME),
    ("Firefox Nightly", FIREFOX),
    ("Page — Firefox Developer Edition", ("Navigator", "firefox-aurora")),
    ("Library", ("Places", "firefox")),
    ("Bitwarden — Mozilla Firefox", FIREFOX),
    ("KeePassXC – Cross-platform password manager - Chromium", ("chromium", "Chromium")),
    ("private browsing", ("xterm", "XTerm")),
    ("vim secrets.txt", ("xterm", "XTerm")),
    ("Opera (2020) - Opera", ("opera", "Opera")),
    ("Tor Browser - Wikipedia — Mozilla Firefox", FIREFOX),
    ("", ("xterm", "XTerm")),
    ("", ()),
]


@pytest.mark.parametrize(("title", "names"), PRIVATE)
def test_private_browsing_is_known_by_the_end_of_its_title(title: str, names: tuple[str, ...]) -> None:
    assert BUILTIN.matches(title, names)
    assert not Exclusions(builtin=False).matches(title, names)


@pytest.mark.parametrize(("title", "names"), ORDINARY)
def test_what_only_speaks_of_it_is_shown(title: str, names: tuple[str, ...]) -> None:
    assert not BUILTIN.matches(title, names)


@pytest.mark.parametrize(
    "name",
    [
        "KeePassXC", "org.keepassxc.KeePassXC", "keepassxc", "KeePass2", "1Password", "1password",
        "Bitwarden", "bitwarden", "Enpass", "Proton Pass", "Dashlane", "LastPass", "NordPass", "seahorse",
        "org.gnome.seahorse.Application",
        "Gcr-prompter", "gcr-prompter", "kwalletd5", "kwalletmanager5", "kwalletd6", "ksecretd", "Pinentry-gtk-2",
        "pinentry-qt", "polkit-gnome-authentication-agent-1", "Polkit-kde-authentication-agent-1",
        "lxqt-policykit-agent", "lxpolkit", "ssh-askpass", "ksshaskpass", "Authy Desktop", "gnome-keyring-prompt",
    ],
)  # fmt: skip
def test_password_managers_are_known_by_application_or_process(name: str) -> None:
    assert BUILTIN.matches("whatever", (name,))
    assert BUILTIN.matches("whatever", (), name)


@pytest.mark.parametrize(
    "name",
    ["xterm", "XTerm", "secretary", "keepassionate", "firefox", "agent", "polkitty", "Enpassant", "org.gnome.Nautilus"],
)
def test_other_applications_are_shown(name: str) -> None:
    assert not BUILTIN.matches("whatever", (name,), name)


def test_a_browser_started_in_private_mode_is_private_whatever_its_titles() -> None:
    names = ("chromium", "Chromium")
    assert BUILTIN.matches("Bank - Chromium", names, "chromium", ("--no-first-run", "--incognito"))
    assert not BUILTIN.matches("Bank - Chromium", names, "chromium", ("--no-first-run",))


def test_long_titles_with_hostile_patterns_are_judged_in_time() -> None:
    assert not Exclusions(("*a*" * 60 + "b",)).matches("a" * 20_000)
    assert not BUILTIN.matches(" - (Private" * 5_000)


def test_only_what_is_in_force_is_active_and_nothing_of_it_is_in_a_repr() -> None:
    assert Exclusions().active
    assert Exclusions(("x",), builtin=False).active
    assert not Exclusions(builtin=False).active
    assert "hush" not in repr(Exclusions(("hush",)))
    assert Exclusions(("hush",)).describe().patterns == 1
    assert "hush" not in repr(Exclusions(("hush",)).describe())
    assert "KeePassXC" in Exclusions().describe().secret_keepers
    assert not Exclusions(("a",), builtin=False).describe().private_browsing
