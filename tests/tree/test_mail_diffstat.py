# SPDX-License-Identifier: GPL-2.0-only
"""A patch held against its own diffstat: cut off, edited, or as it was made."""

from __future__ import annotations

import pytest

from mermapctl.tree import mail_diffstat
from mermapctl.tree.mail_diffstat import DiffSize

HEAD = """\
It changes the stand-in.

 9 files changed, 9 insertions(+)
---
 mm/one.c    | 3 ++-
 mm/{a => b} | 0
 logo.png    | Bin 0 -> 12 bytes
 run.sh      | 0
 4 files changed, 2 insertions(+), 1 deletion(-)
 mode change 100644 => 100755 run.sh

"""
ONE = """\
diff --git a/mm/one.c b/mm/one.c
index 1..2 100644
--- a/mm/one.c
+++ b/mm/one.c
@@ -1,3 +1,4 @@ int one(void)
 int one;

--- a line that is removed
+++ a line that is added
+diff --git a/mm/two.c b/mm/two.c
\\ No newline at end of file
"""
MOVED = "diff --git a/mm/a b/mm/b\nsimilarity index 100%\nrename from mm/a\nrename to mm/b\n"
BINARY = "diff --git a/logo.png b/logo.png\nnew file mode 100644\nGIT binary patch\nliteral 12\n"
MODE = "diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
END = "-- \n2.39.5\n"
SIGNED = "@@ -1 +1,2 @@\n a\n+b\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + ONE + MOVED + BINARY + MODE + END, DiffSize(4, 2, 1)),
        ((HEAD + ONE + MOVED + BINARY + MODE + END).replace("\n", "\r\n"), DiffSize(4, 2, 1)),
        (HEAD + ONE + MOVED + BINARY + MODE[:34] + END, DiffSize(3, 2, 1)),
        (HEAD + ONE + MOVED, DiffSize(2, 2, 1)),
        (HEAD + ONE[:-70], DiffSize(1, 1, 1)),
        ("--- a/x\n+++ b/x\n" + SIGNED + "--- a/y\n+++ b/y\n" + SIGNED, DiffSize(2, 2, 0)),
        ("--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n-- x\n+++ y\n++ z\n a\n", DiffSize(1, 2, 1)),
        ("no diff\n", DiffSize(0, 0, 0)),
    ],
)
def test_the_files_and_lines_of_a_diff_are_counted(text: str, expected: DiffSize) -> None:
    assert mail_diffstat.counted(text) == expected


def test_the_last_diffstat_before_the_diff_counts() -> None:
    assert mail_diffstat.stated(HEAD + ONE) == DiffSize(4, 2, 1)
    assert mail_diffstat.stated(HEAD.replace("\n", "\r\n") + ONE) == DiffSize(4, 2, 1)
    assert mail_diffstat.stated(ONE + HEAD) is None
    assert mail_diffstat.stated(" 1 file changed, 3 deletions(-)\n") == DiffSize(1, 0, 3)


def test_a_size_in_words() -> None:
    assert str(DiffSize(1, 2, 1)) == "1 file, 2 insertions, 1 deletion"
