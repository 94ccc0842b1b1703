"""What tasks elsewhere have told and the sweep has not read yet; it imports nothing, so its process is a small one."""

from __future__ import annotations

from typing import NamedTuple


class Post(NamedTuple):
    """What was told since the last reading."""

    images: int
    begun: list[str]
    """Ids of cohorts, in the order in which they began; one that was begun twice is there twice."""
    last_words: dict[str, str]
    """Of a process that had to end, by the id of the cohort that it had in hand."""


class Mailbox:
    """Lies where the sweep is; tasks write into it from anywhere, the sweep empties it."""

    def __init__(self) -> None:
        self.post = Post(0, [], {})

    def begins(self, cohort_id: str) -> None:
        """A task has taken a cohort."""
        self.post.begun.append(cohort_id)

    def trained(self, images: int) -> None:
        """So many images since the last time; fewer than none if they come to nothing."""
        self.post = self.post._replace(images=self.post.images + images)

    def ends(self, cohort_id: str, why: str) -> None:
        """The process of this cohort ends, and not by itself."""
        self.post.last_words[cohort_id] = why

    def read(self) -> Post:
        """Take out what there is."""
        post, self.post = self.post, Post(0, [], {})
        return post
