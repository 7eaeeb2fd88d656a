"""The page that comes with an exported checkpoint: how to check it with sha256sum, git and ssh-keygen alone."""

from typing import Final

_PAGE: Final = """# How to check this export

This is checkpoint `{name}` of run `{run}`, exported by churnflow. Nothing here needs churnflow, a network or trust in
who sent it: `sha256sum`, `git` and, where approvals are signed, `ssh-keygen` are enough. Run the commands in this
folder, one block after the other, in `bash -eu`; each block ends with an error unless what it checks holds.

What no block can tell is whether the sender made everything up. For that, compare the digest that the last block prints
with one that you were given another way: on paper, in a signed mail, by a clone of the repository.

## 1. The files are those that were exported

`SHA256SUMS` lists every file but itself, and there is no other.

```bash
sha256sum --check --strict --quiet SHA256SUMS
test "$(find . -type f ! -name SHA256SUMS ! -path './check/*' | wc -l)" = "$(wc -l < SHA256SUMS)"
```

## 2. Git's objects are whole

`history.bundle` holds the run's commits and tags with the code as it was. Git hashes every object of it again.

```bash
rm -rf check
git init -q --bare check
git -C check fetch -q ../history.bundle 'refs/*:refs/*'
git -C check fsck --full --no-dangling
```

## 3. Each record is the one that its tag states

`records/NN-NAME.json` is the record of a checkpoint as canonical JSON; the tag and its commit state its sha256.
`records/NN-NAME.yaml` is the same for people, byte for byte as git has it.

```bash
for record in records/*.json; do
  name=$(basename "$record" .json)
  for object in "refs/tags/{prefix}$name" "refs/tags/{prefix}$name^{{commit}}"; do
    summary=$(git -C check cat-file -p "$object" | grep '^summary: ')
    stated=$(echo "$summary" | grep -o '"sha256":"[0-9a-f]*"' | cut -d'"' -f4)
    test "$(sha256sum < "$record" | cut -d' ' -f1)" = "$stated"
  done
  git -C check show "{prefix}$name:{folder}$name.yaml" | cmp - "records/$name.yaml"
done
```

## 4. Each checkpoint follows on the one before

The record states the digest of the record before it, and its commit has that one's commit as its first parent.

```bash
before=""
for record in records/*.json; do
  name=$(basename "$record" .json)
  stated=$(grep -o '"parent":{{"sha256":"[0-9a-f]*"' "$record" | head -n 1 | cut -d'"' -f6 || true)
  if test -n "$before"; then
    test "$(sha256sum < "records/$before.json" | cut -d' ' -f1)" = "$stated"
    test "$(git -C check rev-parse "{prefix}$name^1")" = "$(git -C check rev-parse "{prefix}$before^{{commit}}")"
  else
    test -z "$stated"
  fi
  before=$name
done
test "$before" = "{name}"
```

## 5. The artifacts are those that the record names

Each file in `artifacts/` is called by its own sha256. {left_out}

```bash
for artifact in artifacts/*; do
  test -e "$artifact" || continue
  sha256=$(basename "$artifact")
  test "$(sha256sum < "$artifact" | cut -d' ' -f1)" = "$sha256"
  grep -qF "\\"sha256\\":\\"$sha256\\"" "records/{name}.json"
done
{release}```

## 6. What was approved and decided is what stood before

`approvals/NAME.json` is an answer or a decision as the record holds it. Its `key` is the sha256 of
`approvals/NAME.subject.json`: everything that stood before it when it was given.

```bash
for entry in approvals/*.json; do
  test -e "$entry" || continue
  case "$entry" in *.subject.json) continue ;; esac
  grep -qF "$(cat "$entry")" "records/{name}.json"
  key=$(sha256sum < "${{entry%.json}}.subject.json" | cut -d' ' -f1)
  grep -qF "\\"key\\":\\"$key\\"" "$entry"
done
```

{signed}## {last}. The digest to compare

```bash
sha256sum "records/{name}.json"
```

It should be `{sha256}`.
"""
_RELEASE: Final = """test -e "artifacts/{sha256}"
grep -qF '"artifact":{{"codec":"release","name":"{name}","sha256":"{sha256}"' "records/{checkpoint}.json"
"""
_UNSIGNED: Final = """No approval in it is signed: each was typed at a prompt or stands in a file.
That shows intent and proves nobody.

"""
_SIGNED: Final = """## 7. Who signed is on the list of reviewers

`reviewers/` has the versions of the list, each signed by an admin of the version before. The first one vouches for
itself: compare the digest that this block prints with what somebody told you whom you trust.

```bash
signers() {{  # LIST ROLE NAMESPACE: who may sign, as ssh-keygen wants to be told
  tr '{{' '\\n' < "$1" \\
    | sed -n 's/.*"key":"\\([^"]*\\)","name":"\\([^"]*\\)","roles":\\(\\[[^]]*\\]\\).*/\\2 \\3 \\1/p' \\
    | grep -F "\\"$2\\"" | sed "s/ \\[[^]]*\\] / namespaces=\\"$3\\" /"
}}
before=""
for list in reviewers/*.json; do
  by=$(grep -o '"by":"[a-z0-9._-]*"' "$list" | head -n 1 | cut -d'"' -f4)
  signers "${{before:-$list}}" admin churnflow-reviewers > check/signers
  ssh-keygen -Y verify -q -f check/signers -I "$by" -n churnflow-reviewers -s "$list.sig" < "$list"
  test -z "$before" || grep -qF "\\"previous\\":\\"$(sha256sum < "$before" | cut -d' ' -f1)\\"" "$list"
  before=$list
done
sha256sum reviewers/{first}
```

## 8. Each signature is over a statement about exactly this

The record holds each statement; `approvals/NAME.N.statement` are its bytes. It names run, state, role, the version of
the list, and who signed. Whether a key had expired by then, `at` in the statement and `expires` in the list tell.

```bash
for entry in approvals/*.json; do
  case "$entry" in *.subject.json) continue ;; esac
  held=$(grep -o '"schema":"churnflow/approval@1"' "$entry" | wc -l || true)
  test "$held" = "$(find approvals -path "${{entry%.json}}.*.statement" | wc -l)"
done
for statement in approvals/*.statement; do
  entry=${{statement%.*.statement}}
  told='"reviewer":"\\([^"]*\\)","reviewers":"\\([0-9a-f]*\\)","role":"\\([^"]*\\)","run":"\\([^"]*\\)"'
  told="$told,\\"schema\\":\\"churnflow.approval@1\\",\\"subject\\":\\"\\\\([0-9a-f]*\\\\)\\""
  read -r reviewer sha256 role run subject <<< "$(sed -n "s/.*$told.*/\\1 \\2 \\3 \\4 \\5/p" "$statement")"
  test "$run" = "{run}"
  test "$subject" = "$(sha256sum < "$entry.subject.json" | cut -d' ' -f1)"
  grep -qF "$(cat "$statement")" "$entry.json"
  list=$(sha256sum reviewers/*.json | grep "^$sha256 " | cut -d' ' -f3)
  signers "$list" "$role" churnflow-approval > check/signers
  ssh-keygen -Y verify -q -f check/signers -I "$reviewer" -n churnflow-approval -s "$statement.sig" < "$statement"
done
```

"""


def instructions(facts: dict[str, str], release: dict[str, str] | None, *, first_list: str | None, data: bool) -> str:
    """Return the page. facts: run, name (`NN-NAME`), sha256 of the record, prefix of tags, folder of YAML in git.

    release: sha256 and name of the bundle that the checkpoint serves. first_list: the file of the first list of
    reviewers, None where no approval is signed. data: whether every artifact is here, rows of customers included.
    """
    left_out = (
        "All artifacts are here, rows of customers included: handle them as such."
        if data
        else "Those that may hold rows of customers stay where they were made; the record still names their digests."
    )
    return _PAGE.format(
        **facts,
        left_out=left_out,
        release=_RELEASE.format(**release, checkpoint=facts["name"]) if release else "",
        signed=_SIGNED.format(first=first_list, run=facts["run"]) if first_list else _UNSIGNED,
        last="9" if first_list else "7",
    )
