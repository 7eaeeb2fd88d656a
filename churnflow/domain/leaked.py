"""Secrets in a file's bytes: few forms of high precision; what is told is the place of a find, never the find."""

import hashlib
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from churnflow.domain.base import Frozen, Sha256


class Leak(Frozen):
    """A secret where it stands. line: from 1. kind: what it is, in words. sha256: of what was taken for a secret."""

    path: str
    line: int
    kind: str
    sha256: Sha256


class _Token(NamedTuple):
    """A secret that can be told by its form: some `words` that it can not be without, and the form itself."""

    kind: str
    words: tuple[bytes, ...]
    form: re.Pattern[bytes]


def _token(kind: str, words: str, form: bytes) -> _Token:
    return _Token(kind, tuple(word.encode() for word in words.split()), re.compile(form))


# Prefix and length are those that the issuer documents. What merely looks random is left to the reader: an alarm that
# is mostly false is switched off. Every repetition has an end: a file made for it must not hold up the scan.
_TOKENS: Final = (
    _token(
        "private key",
        "KEY-----",  # and a first line of it: documents and programs name the header alone
        rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[rn]){1,9}"
        rb"(?:[A-Z][\w-]+: [^\n]{0,200}\s+){0,9}[A-Za-z0-9+/=]{20}",
    ),
    _token("PuTTY private key", "PuTTY-User-Key-File-", rb"PuTTY-User-Key-File-\d: [^\0]{0,2000}?Private-Lines: \d"),
    _token("key of churnflow's API", "cf_", rb"\bcf_[0-9a-f]{12}_[A-Za-z0-9_-]{43}"),
    _token("AWS access key", "AKIA ASIA", rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b(?<!EXAMPLE)"),
    _token(
        "AWS secret access key",
        "aws_secret_access_key AWS_SECRET_ACCESS_KEY",
        rb"(?i:aws_secret_access_key)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{40}\b(?<!EXAMPLEKEY)",
    ),
    _token("Google API key", "AIza", rb"\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _token("Google client secret", "GOCSPX-", rb"\bGOCSPX-[A-Za-z0-9_-]{28}"),
    _token("Azure storage key", "AccountKey=", rb"\bAccountKey=[A-Za-z0-9+/]{86}=="),
    _token("Azure client secret", "Q~", rb"(?<![\w~.-])[\w~.]{3}\dQ~[\w~.-]{31,34}(?![\w~.-])"),
    _token("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", rb"\bgh[pousr]_[A-Za-z0-9]{36,251}\b"),
    _token("GitHub token", "github_pat_", rb"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b"),
    _token("GitLab token", "glpat- gldt- glrt- glptt-", rb"\bgl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{20}"),
    _token("Slack token", "xoxb- xoxp- xoxa- xoxr- xoxs-", rb"\bxox[abprs]-\d{8,}-[A-Za-z0-9-]{20,}"),
    _token("Slack token", "xapp-", rb"\bxapp-\d-[A-Z0-9]+-\d+-[a-f0-9]{40,}"),
    _token(
        "Slack webhook", "hooks.slack.com", rb"hooks\.slack\.com/services/T[A-Z0-9]{7,}/B[A-Z0-9]{7,}/[A-Za-z0-9]{20}"
    ),
    _token("Stripe key", "k_live_", rb"\b[sr]k_live_[A-Za-z0-9]{20}"),
    _token("OpenAI key", "T3BlbkFJ", rb"\bsk-[A-Za-z0-9_-]{16,200}T3BlbkFJ[A-Za-z0-9_-]{16}"),
    _token("Anthropic key", "sk-ant-", rb"\bsk-ant-[a-z]+\d\d-[A-Za-z0-9_-]{80}"),
    _token("Hugging Face token", "hf_", rb"\bhf_[A-Za-z]{34}\b"),
    _token("Databricks token", "dapi", rb"\bdapi[0-9a-f]{32}\b"),
    _token("SendGrid key", "SG.", rb"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _token("npm token", "npm_", rb"\bnpm_[A-Za-z0-9]{36}\b"),
    _token("PyPI token", "pypi-AgE", rb"\bpypi-AgE[A-Za-z0-9_-]{50}"),
    _token(
        "password in the address of a server",
        "://",
        rb"\b(?:postgres(?:ql)?|mysql|mariadb|mssql|oracle|mongodb|redis|amqps?|https?)(?:\+\w+)?://[^\s:/@'\"<>{}$]+:"
        rb"(?!(?i:pass(?:word|wd)?|pw|pwd|secret|token|changeme|example|x+|\*+|\.+)@)[^\s@'\"<>{}$/]{3,}@[\w.-]",
    ),
)


class _File(NamedTuple):
    """A file that by its name holds secrets, with the form of a line that does."""

    kind: str
    names: tuple[str, ...]
    form: re.Pattern[bytes]


def _file(kind: str, names: str, form: bytes = rb"\A[^\n]*") -> _File:
    """Return the rule for files of such names; without a form whatever they hold, told with the first line."""
    return _File(kind, tuple(names.split()), re.compile(form, re.MULTILINE | re.IGNORECASE))


_PROGRAMS: Final = "*.py *.ipynb *.sh *.bash *.r *.rmd *.sql *.js *.ts *.json *.java *.scala"
# Not what stands for one, a date, a name of a type, or words that are joined, as a name of something is.
_LITERAL: Final = (
    rb"(?!changeme|change[_-]me|replace|example|your|my[_-]?pass|wrong|test|dummy|fake|secret|pass|x+\b"
    rb"|(?:env|arn|file|ssm|vault|keyvault|sha\d+):|\d{4}-\d\d"
    rb"|(?:u?int|float|decimal|timestamp|datetime|varchar|string)\d|[a-z]+(?:[_-][a-z0-9.]+)+(?![\w-]))"
    rb"(?=[^\s\"'\\;]{0,200}\d)(?=[^\s\"'\\;]{0,200}[a-z])[^\s\"'#<>{}$/\\()%;`]{8,200}"
)
_FILES: Final = (
    _file(
        ".env file that sets a value",
        ".env .env.* *.env .envrc",
        rb"^[ \t]*(?:export[ \t]+)?[A-Z_]\w*[ \t]*=[ \t]*(?!(?:[\"']{2}|#|<|\$\{|changeme|your|x+\b))[^\s]",
    ),
    _file("password of a server", ".netrc _netrc .authinfo", rb"\bpassword\s+\S+"),
    _file("password of a server", ".pgpass pgpass.conf", rb"^[^#\s:][^\n:]*:[^\n:]*:[^\n:]*:[^\n:]*:\S+"),
    _file("password of a server", ".git-credentials .htpasswd", rb"^[^#\s]+:\S+"),
    _file("token of a registry", ".npmrc .pypirc .yarnrc", rb"^[^#;\n]*\b(?:_auth\w*|password)\s*[=:]\s*[^\s$]\S+"),
    _file(
        "credentials",
        "credentials.json client_secret*.json service_account*.json .dockerconfigjson",
        rb"\"(?:client_secret|private_key|refresh_token|access_token|auth|password)\"\s*:\s*\"[^\"\s<]{8,}",
    ),
    _file(
        "password in a configuration file",
        "*.ini *.cfg *.conf *.toml *.yaml *.yml *.properties",
        # One word of eight or more, a digit among them, that is no path, no variable and no reference.
        rb"^[ \t]*(?:-[ \t]+)?[\"']?(?:[\w.-]{0,80}[_.-])?(?:pass(?:word|wd)|pwd|secret[_-]?key|api[_-]?key"
        rb"|client[_-]?secret|(?:access|auth)[_-]?token)[\"']?[ \t]*[=:][ \t]*[\"']?"
        rb"(?!changeme|example|your|x+\b|enc[(\[]|(?:env|arn|file|ssm|vault|keyvault|sha\d+):|env\.|\d{4}-\d\d-\d\d"
        rb"|[a-z_]\w{0,80}(?:\.[a-z_]\w{0,80}){1,9}[\"']?[ \t]*(?:#|;|,|\r?$))"
        rb"(?=[^\s\"'#]{0,200}\d)(?=[^\s\"'#]{0,200}[a-z])[\w~^+.-][^\s\"'#<>{}$/\\]{7,200}[\"']?[ \t]*(?:#|;|,|\r?$)",
    ),
    # A literal of eight or more, with a letter and a digit, that is given to a name for it: of others in programs most
    # are none.
    _file(
        "password in a program",
        _PROGRAMS,
        rb"(?:(?:pg)?pass(?:word|wd)|pwd|secret[_-]?key|api[_-]?key|client[_-]?secret|(?:access|auth)[_-]?token)"
        rb"(?:\\?[\"']\]?)?[ \t]*(?::[ \t]*(?:optional\[)?str\]?[ \t]*)?(?:=|:|<-)[ \t]*[rbuf]?\\?[\"']"
        + _LITERAL
        + rb"\\?[\"']",
    ),
    _file(
        "password in a program",
        _PROGRAMS,
        rb"(?:(?:getenv|environ\.get|setdefault)\([ \t]*[\"']\w{0,80}(?:pass(?:word|wd)|pwd|secret|key|token)[\"'],"
        rb"[ \t]*[\"']"
        rb"|;[ \t]*(?:pwd|password)=|\b(?:password|identified[ \t]+by)[ \t]+'"
        rb"|[\"'](?:%env[ \t]+|!)\w{0,80}(?:pass(?:word|wd)|pwd|secret|token)=)" + _LITERAL + rb"(?:[\"';\\ \t]|\r?$)",
    ),
    _file(
        "password in a script",
        "*.sh *.bash *.zsh dockerfile dockerfile.* *.dockerfile",
        rb"^[ \t]*(?:(?:export|env|arg|local|readonly|declare[ \t]+-x)[ \t]+)?"
        rb"\w{0,80}(?:pass(?:word|wd)|pwd|secret|api_?key|token)=[\"']?" + _LITERAL + rb"[\"']?(?:[ \t;&]|\r?$)",
    ),
    _file("key store", "*.p12 *.pfx *.jks *.keystore *.kdbx"),
)
# Raised where the search changes and the forms do not, so that what was found clean before is looked at again.
_EDITION: Final = 3
_LINE_END: Final = re.compile(rb"\n")
_MOST_BEHIND: Final = 1_000
_EXAMPLES: Final = ("*.example", "*.sample", "*.template", "*.dist", "*.example.env")


def leaks_in(path: str, data: bytes) -> list[Leak]:
    """Return the secrets in a file, by line; of one line and kind only the first."""
    found = {(leak.line, leak.kind): leak for leak in reversed([*_leaks(path, data)])}
    return sorted(found.values(), key=lambda leak: (leak.line, leak.kind))


def told(leaks: Sequence[Leak], most: int = 3) -> str:
    """Return the places of leaks in words: file, line and kind of the first ones, and how many more there are."""
    named = [f"{leak.path}, line {leak.line} ({leak.kind})" for leak in leaks[:most]]
    more = len(leaks) - most
    return "; ".join(named) + (f"; and {more} more" if more > 0 else "")


def rules_sha256() -> str:
    """Return the digest of all forms, so that what was found clean by others is looked at again."""
    return hashlib.sha256(repr((_EDITION, _TOKENS, _FILES, _EXAMPLES)).encode()).hexdigest()


def _leaks(path: str, data: bytes) -> Iterator[Leak]:
    lines: list[int] | None = None
    for kind, match in _matches(path, data):
        # Once for all: a file may hold thousands.
        lines = lines if lines is not None else [found.start() for found in _LINE_END.finditer(data)]
        # With its line, for a form may end before the secret does.
        end = min(match.end() + _MOST_BEHIND, *lines[bisect_left(lines, match.end()) :][:1], len(data))
        sha256 = hashlib.sha256(data[match.start() : end]).hexdigest()
        yield Leak(path=path, line=bisect_left(lines, match.start()) + 1, kind=kind, sha256=sha256)


def _matches(path: str, data: bytes) -> Iterator[tuple[str, re.Match[bytes]]]:
    for token in _TOKENS:
        if any(word in data for word in token.words):
            yield from ((token.kind, match) for match in token.form.finditer(data))
    name = path.rpartition("/")[2].lower()
    is_named: Callable[[str], bool] = lambda pattern: fnmatchcase(name, pattern)  # noqa: E731
    if any(map(is_named, _EXAMPLES)):
        return
    for file in _FILES:
        if data and any(map(is_named, file.names)):
            yield from ((file.kind, match) for match in file.form.finditer(data))
