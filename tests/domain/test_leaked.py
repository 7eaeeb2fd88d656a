"""Secrets are told by their form, with file and line, and what only looks like one is left alone.

Every secret here is put together when the test runs, so that this file holds none.
"""

import hashlib
import string
import time

import pytest

from churnflow.domain.leaked import leaks_in, rules_sha256, told

LETTERS = string.ascii_letters + string.digits
KEY = f"-----BEGIN {'RSA '}PRIVATE KEY-----\n{LETTERS[:60]}\n"
HEX = "0123456789abcdef" * 4
TOKENS = {
    "private key": KEY,
    "PuTTY private key": "PuTTY-User-Key-File" + "-3: ssh-ed25519\nPrivate-Lines: 1\nabc\n",
    "key of churnflow's API": "cf_" + f"{HEX[:12]}_{LETTERS[:43]}",
    "AWS access key": "AKIA" + "Q2W3E4R5T6Y7U2I3",
    "AWS secret access key": "aws_secret_access" + f"_key = {LETTERS[:40]}",
    "Google API key": "AIza" + LETTERS[:35],
    "Google client secret": "GOCSPX" + f"-{LETTERS[:28]}",
    "Azure storage key": "AccountKey" + f"={(LETTERS * 2)[:86]}==",
    "Azure client secret": "abc8" + f"Q~{LETTERS[:34]}",
    "GitHub token": "ghp" + f"_{LETTERS[:36]}",
    "GitLab token": "glpat" + f"-{LETTERS[:20]}",
    "Slack token": "xoxb" + f"-123456789012-{LETTERS[:24]}",
    "Slack webhook": "https://hooks.slack" + f".com/services/T0123ABCD/B0123ABCD/{LETTERS[:24]}",
    "Stripe key": "sk_live" + f"_{LETTERS[:24]}",
    "OpenAI key": "sk-proj" + f"-{LETTERS[:20]}T3BlbkFJ{LETTERS[:20]}",
    "Anthropic key": "sk-ant" + f"-api03-{(LETTERS * 2)[:90]}",
    "Hugging Face token": "hf" + f"_{string.ascii_letters[:34]}",
    "Databricks token": "dapi" + HEX[:32],
    "SendGrid key": "SG" + f".{LETTERS[:22]}.{LETTERS[:43]}",
    "npm token": "npm" + f"_{LETTERS[:36]}",
    "PyPI token": "pypi-AgE" + LETTERS[:60],
    "password in the address of a server": "postgresql" + "://crm:hunter2@db.example.org/crm",
}


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_is_told_with_its_line_and_never_repeated(kind: str) -> None:
    data = f'# notes\nVALUE = "{TOKENS[kind]}"\n'.encode()
    (leak,) = leaks_in("notebooks/a.ipynb", data)
    assert (leak.path, leak.line, leak.kind) == ("notebooks/a.ipynb", 2, kind)
    assert told([leak]) == f"notebooks/a.ipynb, line 2 ({kind})"
    assert TOKENS[kind].strip()[-8:] not in leak.model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----",
        "a line that names -----BEGIN RSA PRIVATE KEY----- and goes on",
        "-----BEGIN PUBLIC KEY-----\n" + LETTERS[:60],
        "AKIA" + "IOSFODNN7EXAMPLE",
        "AKIA" + "Q2W3E4R5T6Y7U2I3X",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "ghp_" + "x" * 20,
        "postgresql://crm:password@db/crm and mysql://user:<password>@host/db and redis://u:${PW}@h and http://h:8080/a@b",
        "sk_live_ and hf_model_name_that_is_longer_than_the_rest_of_them and cf_123 and SG.a.b",
        hashlib.sha256(b"x").hexdigest(),
    ],
)
def test_what_only_looks_like_a_secret_is_no_alarm(text: str) -> None:
    assert leaks_in("readme.md", text.encode()) == []


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        (".env", "# local\nDEBUG=1\n", 2),
        ("deploy/.env.production", "export TOKEN='abc'\n", 1),
        (".netrc", "machine h\n  login me\n  password abc\n", 3),
        (".pgpass", "# mine\nlocalhost:5432:crm:me:abc\n", 2),
        (".git-credentials", "https://me:abc@example.org\n", 1),
        (".npmrc", "registry=https://r.example.org\n//r.example.org/:_authToken=abc\n", 2),
        (".pypirc", "[pypi]\nusername = __token__\npassword = abc\n", 3),
        ("client_secret_1.json", '{\n"client_secret": "abcdefgh"}', 2),
        ("release.p12", "\x00\x01", 1),
        ("conf/database.ini", "[crm]\nuser = me\npassword = hunter22\n", 3),
        ("config.yaml", "crm:\n  db_password: 'S3cretWord!'  # production\n", 2),
        ("settings.toml", 'api_key = "4f9c2d1e8b7a"\n', 1),
        ("compose.yml", "users:\n  - password: hunter22\n", 2),
        ("app.properties", "spring.datasource.password=Tr0ub4dor&3\n", 1),
        ("load.py", "import db\nc = db.connect('crm', user='me', password='hunter22')\n", 2),
        ("load.py", "DB_PASSWORD: str = 'S3cretWord!'\n", 1),
        ("load.py", "os.environ['PGPASSWORD'] = \"hunter22\"\n", 1),
        ("explore.ipynb", '{"source": ["x\\n",\n "api_key = \\"4f9c2d1e8b7a\\"\\n"]}', 2),
        ("config.json", '{\n"db": {"password": "hunter22"}}', 2),
        ("load.R", "password <- 'hunter22'\n", 1),
        ("load.py", "password: Optional[str] = r'hunter22'\n", 1),
        ("load.py", "f(dbPassword='hunter22')\n", 1),
        ("load.py", "os.environ.setdefault('PGPASSWORD', 'hunter22')\n", 1),
        ("load.py", "a = 1\nb = os.getenv('CRM_TOKEN', 'hunter22')\n", 2),
        ("load.py", "c = 'Driver=x;UID=sa;PWD=hunter22;Server=y'\n", 1),
        ("etl.sql", "CREATE USER etl WITH PASSWORD 'hunter22';\n", 1),
        ("etl.sql", "ALTER USER etl IDENTIFIED BY 'hunter22';\n", 1),
        ("explore.ipynb", '{"source": [\n"!PGPASSWORD=hunter22 psql\\n"]}', 2),
        ("load.sh", "#!/bin/sh\ndeclare -x DB2_PASSWORD='hunter22'\n", 2),
        ("load.sh", "#!/bin/sh\nexport PGPASSWORD=hunter22 && psql\n", 2),
        ("Dockerfile", "FROM x\nENV API_TOKEN=4f9c2d1e8b7a\n", 2),
    ],
)
def test_a_file_that_holds_secrets_by_its_name_is_told(name: str, text: str, line: int) -> None:
    assert {leak.line for leak in leaks_in(name, text.encode())} == {line}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "# nothing yet\nTOKEN=\nNAME=''\nKEY=<yours>\nOTHER=changeme\n"),
        (".env.example", "TOKEN=abc\n"),
        (".env", ""),
        (".npmrc", "registry=https://r.example.org\n_authToken=${NPM_TOKEN}\n"),
        ("credentials.json", "{}"),
        ("environment.py", "TOKEN=abc\n"),
        ("key.p12", ""),
        ("config.yaml", "password: ${DB_PASSWORD_1}\npassword_file: /run/secrets/pw1\nsecret: /run/secrets/pw1\n"),
        ("config.yml", "password: changeme123\napi_key: your-key-123\npassword:\n  min_length: 12345678\n"),
        ("setup.cfg", "token = word of 8 letters\nsecret_key = <1234567890>\npasswords_tried = 123456789\n"),
        ("values.yaml", "password: *default_pw1\nsecret: db-credentials-v2\nclient_secret: keyvault:client-secret-1\n"),
        ("secrets.yaml", "password: ENC[AES256_GCM,data:bJ8abc,iv:x1]\nmin.password: 12345678\n"),
        ("app.properties", "password=ENC(abc123def)\npwd=2024-01-01T00\nforgot_password = app.views.reset2\n"),
        ("load.py", "password = os.environ['PG_PASSWORD_1']\npassword = getpass('password 1: ')\n"),
        ("load.py", "password = 'changeme123'\nif password == 'hunter22': pass\npassword_hint = 'born 1970'\n"),
        (
            "load.py",
            "url = 'x?password=%s1234567' % a\nf(password='${PASSWORD1}', pwd='/data/me/2026', n_pwd=12345678)\n",
        ),
        ("load.sh", "export PASSWORD=$1\nTOKEN=$(cat token1.txt)\nPWD=/data/2026\nOLDPWD=abc\n"),
        (
            "dtypes.json",
            '{"last_pwd": "timestamp64", "reset_password": "int64_nullable", "api_key": "openai_api_key_v2"}',
        ),
        (
            "load.py",
            "df.rename(columns={'pwd': 'pwd_hash_sha256'})\nlogin(password='wrong-pw-1')\npwd = '2024-01-run'\n",
        ),
        ("load.py", "cols = ['password', 'hunter22']\nx = os.getenv('PASSWORD', '')\npassword='REPLACE_ME_123'\n"),
        (
            "run.sh",
            "DB_SECRET=arn:aws:s3cret:1\nSECRET=keyvault:db-pw-1\nPAD_TOKEN=eos_token_v2\nTOKEN=gpt-4o-mini-2024\n",
        ),
        ("package.json", '{"password": "required-field", "token": {"pattern": "a1b2c3d4"}}'),
        ("workflow.yaml", "sha256: 0123456789abcdef\nkey: abcdefgh1\npassword: rememberthis\n"),
    ],
)
def test_a_file_of_such_a_name_without_a_secret_is_no_alarm(name: str, text: str) -> None:
    assert leaks_in(name, text.encode()) == []


def test_several_are_told_in_order_and_the_rest_is_counted() -> None:
    data = "\n".join([*TOKENS.values(), TOKENS["GitHub token"]]).encode()
    leaks = leaks_in("a.txt", data)
    assert [leak.line for leak in leaks] == sorted(leak.line for leak in leaks)
    assert told(leaks).endswith(f"; and {len(leaks) - 3} more")
    assert len({leak.sha256 for leak in leaks if leak.kind == "GitHub token"}) == 1
    assert len(rules_sha256()) == 64


@pytest.mark.parametrize(
    "part", ["sk-", "-----BEGIN PRIVATE KEY-----\n", "http://a:", "xoxb-1", "PuTTY-User-Key-File-3: "]
)
def test_a_file_made_to_hold_up_the_scan_does_not(part: str) -> None:
    began = time.process_time()
    assert leaks_in("a.txt", (part * (300_000 // len(part)) + "T3BlbkFJ").encode()) == []
    assert time.process_time() - began < 5


def test_every_line_of_a_file_is_told_so_that_a_false_alarm_hides_no_other() -> None:
    lines = ["password: postgres123", "user: me", "password: R3alS3cret"]
    leaks = leaks_in("compose.yml", "\n".join(lines).encode())
    assert [leak.line for leak in leaks] == [1, 3]
    assert len({leak.sha256 for leak in leaks}) == 2
    assert [leak.line for leak in leaks_in(".env", b"A=1\nB=\nC=2\n")] == [1, 3]
