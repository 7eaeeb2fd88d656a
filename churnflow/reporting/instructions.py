"""The page that comes with an exported checkpoint: how to check it with sha256sum, git and ssh-keygen alone."""

from collections.abc import Mapping
from typing import Final

_PAGE: Final = """# How to check this export

This is checkpoint `{name}` of run `{run}`, exported by churnflow. Nothing here needs churnflow, a network or trust in
who sent it: `sha256sum`, `git` and, where approvals are signed, `ssh-keygen` are enough. Run the commands in this
folder, one block after the other, in `bash -eu`; a block ends the shell unless what it checks holds, and in `bash -eux`
the last line shown is then the one that does not hold.

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

What is in `reports/` says the same in the words of a report. No block proves it: what counts is what the records say,
and a figure that differs from them is false. Where churnflow is at hand, `churnflow verify REPORT` compares each one.

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
{grades}
```bash
for entry in approvals/*.json; do
  test -e "$entry" || continue
  case "$entry" in *.subject.json) continue ;; esac
  test "$(wc -l < "$entry")" = 0
  grep -qF -f "$entry" "records/{name}.json"
  key=$(sha256sum < "${{entry%.json}}.subject.json" | cut -d' ' -f1)
  grep -qF "\\"key\\":\\"$key\\"" "$entry"
done
```
{signed}
## {last}. The digest to compare

```bash
sha256sum "records/{name}.json"
```

It should be `{sha256}`.
"""
_RELEASE: Final = """test -e "artifacts/{sha256}"
grep -qF '"artifact":{{"codec":"release","name":"{name}","sha256":"{sha256}"' "records/{checkpoint}.json"
"""
_UNSIGNED: Final = """
No approval here is signed. Each is what somebody typed at a prompt or wrote into a file, under the name that they gave:
it shows what was intended, and does not prove who it was.
"""
_GRADES: Final = """
What each approval is worth (`unsigned` is what somebody typed, and shows intent alone):

{lines}
"""
_SIGNED: Final = r"""
## 7. The list of reviewers is the one that you know

`reviewers/N.json` is version N of the list of who may approve, and `N.json.sig` the signature over it: of an admin of
the version before, for the first one of its own. `N.allowed_signers` (for approvals) and `N.admins` (for the next list)
hold its keys as OpenSSH reads them. The block makes both again from the list, then follows the signatures.
It takes OpenSSH 8.8 or newer, and Linux's `sed`; `TZ=UTC`, as the times in those files are in UTC.

```bash
export TZ=UTC
keys() {{ # lines of a list -> NAME namespaces="$1" KEY
  sed -n -E \
    -e 's/^null,.*"key":"([^"]*)","name":"([^"]*)",.*/\2 namespaces="'"$1"'" \1/p' \
    -e 's/^"(....)-(..)-(..)T(..):(..):(..)[^"]*",.*"key":"([^"]*)","name":"([^"]*)",.*/'\
'\8 namespaces="'"$1"'",valid-before="\1\2\3\4\5\6" \7/p'
}}
number=1 signer=1 previous=null
project=$(grep -o '"project":"[0-9a-f]*","reviewers":\[' reviewers/1.json)
while test -e "reviewers/$number.json"; do
  list=reviewers/$number.json
  test "$(wc -l < "$list")" = 1
  sed 's/{{"expires":/\n/g' "$list" | sed 1d > check/keys
  keys churnflow-approval < check/keys | cmp - "reviewers/$number.allowed_signers"
  grep -E '"roles":\[[^]]*"admin"' check/keys | keys churnflow-reviewers | cmp - "reviewers/$number.admins"
  grep -qF "\"number\":$number,\"previous\":$previous,$project" "$list"
  by=$(sed -E 's/^\{{"at":"[^"]*","by":"([^"]*)".*/\1/' "$list")
  at=$(sed -E 's/^\{{"at":"(....)-(..)-(..)T(..):(..):(..).*/\1\2\3\4\5\6/' "$list")
  ssh-keygen -Y verify -q -f "reviewers/$signer.admins" -I "$by" -n churnflow-reviewers -O "verify-time=$at" \
    -s "$list.sig" < "$list"
  previous="\"$(sha256sum < "$list" | cut -d' ' -f1)\""
  signer=$number number=$((number + 1))
done
test "$(ls reviewers | wc -l)" = "$((4 * signer))"
sha256sum reviewers/1.json
```

The last line is what all trust in the signatures rests on. It should be `{first}`; but this page comes from the sender.
Have somebody whom you trust, and who knows the project, tell you the digest of its first list (`churnflow reviewers`
prints it as `first`), and compare it with the line that the block printed.

## 8. Each signed answer is about this, and is the one that the record holds

`statements/NAME-DIGEST.json` is what a reviewer signed, and `.sig` beside it the signature, both as they stand in the
record. To check one signature alone: `ssh-keygen -Y verify -f reviewers/N.allowed_signers -I REVIEWER -n
churnflow-approval -s STATEMENT.sig < STATEMENT`. The block does so for each at the time that it states, finds its
subject, workflow, data and models in the record, and prints what was answered.

```bash
export TZ=UTC
record="records/{name}.json"
for signature in statements/*.sig; do
  statement=${{signature%.sig}}
  test "$(wc -l < "$statement")" = 1
  read -r approval at <<< "$(sed -E \
    's/.*"approval":"([^"]*)","at":"(....)-(..)-(..)T(..):(..):(..)[^"]*","data":\{{.*/\1 \2\3\4\5\6\7/' "$statement")"
  read -r project reviewer list role run subject workflow <<< "$(sed -E \
    's/.*"project":"([^"]*)","reviewer":"([^"]*)","reviewers":"([0-9a-f]*)","role":"([^"]*)","run":"([^"]*)",'\
'"schema":"churnflow.approval@1","subject":"([0-9a-f]*)","workflow":"([0-9a-f]*)","wrote":\[.*/\1 \2 \3 \4 \5 \6 \7/' \
    "$statement")"
  number=$(sha256sum reviewers/*.json | grep "^$list " | sed -E 's/.*reviewers.([0-9]+).json$/\1/')

  # Signed by a key that the list gives to this reviewer, who has this role in it, for this project.
  ssh-keygen -Y verify -q -f "reviewers/$number.allowed_signers" -I "$reviewer" -n churnflow-approval \
    -O "verify-time=$at" -s "$signature" < "$statement"
  grep -qE "\"name\":\"$reviewer\",\"roles\":\[[^]]*\"$role\"" "reviewers/$number.json"
  grep -qF "\"project\":\"$project\",\"reviewers\":[" "reviewers/$number.json"

  # The record holds exactly this statement with exactly this signature, and is about the same.
  printf '{{"signature":"%s","statement":%s}}\n' "$(sed 's/$/\\n/' "$signature" | tr -d '\n')" "$(cat "$statement")" \
    > check/signed
  grep -qF -f check/signed "$record"
  test "$run" = "{run}"
  grep -qF "\"workflow_sha256\":\"$workflow\"" "$record"
  grep -qF "\"key\":\"$subject\"" "$record"

  # What now stands in approvals/ says what its reviewer signed; data and models are those in what was approved.
  entry=approvals/$approval.json
  if test -e "$entry" && grep -qF "\"key\":\"$subject\"" "$entry"; then
    sed -E 's/.*"data":(\{{.*\}}),"environment":"[0-9a-f]*","models":(\{{.*\}}),"nonce":".*/\1\2/' "$statement" |
      (grep -oE ':"[0-9a-f]{{64}}"' || true) | while read -r sha256; do
        grep -qF "\"sha256\"$sha256" "approvals/$approval.subject.json"
      done
    if grep -qF "\"reviewer\":\"$reviewer\",\"signed\":[" "$entry" &&
      ! grep -qE '"policy":\{{"approvers":[0-9]+,"grade":"unsigned"' "$statement"; then
      sed -E 's/,"approval":"[^"]*","at":"[^"]*","data":\{{.*/,"at":/' "$statement" > check/said
      grep -qF -f check/said "$entry"
      sed -E 's/.*("notes":\[.*\],)"policy":\{{.*/\1/' "$statement" > check/notes
      grep -qF -f check/notes "$entry"
    fi
  fi
  answer=$(sed -E 's/^\{{"answer":"([^"]*)".*/\1/' "$statement")
  echo "$approval: $answer, signed by $reviewer as $role at $at UTC, under version $number of the list"
done
test "$(ls statements | wc -l)" = "$((2 * $(grep -oE '"nonce":"[0-9a-f]+","notes":\[' "$record" | sort -u | wc -l)))"
```

By eye: `"subject"` in a statement is the sha256 of `approvals/NAME.subject.json` and the `"key"` in
`approvals/NAME.json` (`grep -o '"key":"[^"]*"' approvals/*.json`); `"wrote"` names whom the signer was compared
with for `signed+distinct`.
"""


def instructions(
    facts: Mapping[str, str],
    release: dict[str, str] | None,
    grades: Mapping[str, str],
    *,
    first: str | None,
    data: bool,
) -> str:
    """Return the page. facts: run, name (`NN-NAME`), sha256 of the record, prefix of tags, folder of YAML in git.

    release: sha256 and name of the bundle that the checkpoint serves. grades: of each approval, by name. first: the
    digest of the first list of reviewers, None where nothing was signed. data: whether every artifact is here, rows of
    customers included.
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
        grades=_graded(grades, is_signed=first is not None),
        signed=_SIGNED.format(**facts, first=first) if first else "",
        last=9 if first else 7,
    )


def _graded(grades: Mapping[str, str], *, is_signed: bool) -> str:
    if not grades:
        return ""
    if not is_signed:
        return _UNSIGNED
    return _GRADES.format(lines="\n".join(f"- `{name}`: {grade}" for name, grade in grades.items()))
