"""Which database a catalog works on at this moment: the place it is kept in, or one after it while that cannot be used.

A server gives way to the file in the home, the file to memory; what is worked on there is as true, since all of it is
derived. Closing goes back to the first place.
"""

from __future__ import annotations

from pepys.config import catalog_url
from pepys.store.catalog_database import CatalogDatabase, CatalogPlace, CatalogUnreachable, CatalogUnusable, FilePlace
from pepys.store.store import Store


class Holding:
    """The open database of a catalog.

    Attributes:
        anew: what is open may lack rows until every session was looked at.
    """

    def __init__(self, store: Store, *, elsewhere: bool = True) -> None:
        """Hold nothing yet.

        Args:
            store: whose catalog.
            elsewhere: whether a server that cannot be used gives way to another place, or is an error.
        """
        self.anew = False
        self._first = place_of(store)
        self._place = self._first
        self._elsewhere = elsewhere or not self._first.readers_move
        self._database: CatalogDatabase | None = None

    def close(self) -> None:
        """Close what is open, and go back to the first place."""
        self._let_go()
        self._place = self._first

    def open(self) -> CatalogDatabase:
        """What is open, or is opened now, at the place in use.

        Raises:
            CatalogUnusable: it has to be made anew.
            CatalogUnreachable: it cannot be opened now.
            PepysError: the user has to decide.
        """
        if self._database is not None:
            if self._place.is_current(self._database):
                return self._database
            # Somebody deleted it: what this connection shows is nobody's any more.
            self._let_go()
        self._database = self._place.open()
        self.anew = self.anew or self._place.begins_empty
        return self._database

    def ready(self) -> CatalogDatabase:
        """A database that can be asked: one that is broken is made anew, at another place if need be.

        Raises:
            CatalogUnreachable: there is no place left.
            PepysError: the user has to decide.
        """
        try:
            try:
                return self.open()
            except CatalogUnusable:
                self._place.delete()
            self.anew = True
            return self.open()
        except CatalogUnreachable as error:
            self.move(error)
        return self.ready()

    def move(self, error: CatalogUnreachable) -> None:
        """Go on at the following place.

        Raises:
            CatalogUnreachable: the one given: there is no other.
        """
        following = self._place.following
        if following is None or not self._elsewhere:
            raise error
        self._place.tell_away(error)
        self._let_go()
        self._place, self.anew = following, True

    def move_reader(self, error: CatalogUnreachable) -> None:
        """Go on at the following place where that is worth it for a question: a file that is busy is no reason.

        Raises:
            CatalogUnreachable: the one given.
        """
        if not self._place.readers_move:
            raise error
        self.move(error)

    def renew(self) -> None:
        """Begin anew after what opened was damaged inside; elsewhere where it cannot be replaced."""
        damaged = self._database
        self._let_go()
        try:
            self._place.delete(damaged)
        except CatalogUnreachable as error:
            self.move(error)

    def begin(self) -> None:
        """Empty it, at the first place."""
        self.close()
        self._database = self._place.begin()

    def _let_go(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None


def place_of(store: Store) -> CatalogPlace:
    """Where the catalog of a store is kept, as the user's settings say."""
    url = catalog_url()
    if not url:
        return FilePlace(store)
    from pepys.store.catalog_server import ServerPlace

    return ServerPlace(store, url, FilePlace(store))
