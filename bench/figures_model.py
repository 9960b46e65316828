"""consume and rebuild: how fast read models are made of streams."""
from figure import LOWER, Figure
from measure import BenchError

SENDERS, SENDER_CONSUMER = "message_sender_cache_g1", "communication/message_sender_cache"
REBUILD_MIB_MAX = 128.0
SEARCH_TABLES = ("person", "post", "term", "gone")


class ConsumeSenders(Figure):
    """communication's sender cache from identity's stream: sealed names opened, exactly once."""

    name, unit, aim = "consume_sender_cache", "events/s", 0.5
    limit_is = "COPY of the resulting rows into the same table with its index"

    def prepare(self):
        self.events = self.sizes.of(1000000)
        self.world.clean("identity")
        self.world.fill(what="users", events=self.events)
        self.world.analyze("identity")
        self.world.drain("identity", self.events)
        self.rows = self.world.folder / "sender.copy"
        self.rows.unlink(missing_ok=True)

    def _empty(self):
        self.world.sql(f"TRUNCATE {SENDERS}.sender, {SENDERS}.sender_gone")

    def ours(self):
        self._empty()
        with self.world.own("service", "identity") as keys:
            seconds, used = self.world.consume(SENDER_CONSUMER, "identity", self.events,
                                               identity=keys.pid)
        rows = self.world.one(f"SELECT count(*) FROM {SENDERS}.sender")
        if rows != self.events:
            raise BenchError(f"{rows} senders of {self.events} users")
        if not self.rows.exists():
            self.world.save_copy(f"SELECT * FROM {SENDERS}.sender", self.rows)
        return self.events / seconds, used

    def limit(self):
        self._empty()
        said, used = self.world.run("limit_copy_in", copy=f"{SENDERS}.sender {self.rows}")
        return self.events / said["seconds"], used


class RebuildSpeed(Figure):
    name, unit, aim = "rebuild_search_index", "events/s", 0.5
    limit_is = "COPY of the resulting rows, then the same indexes made"


class RebuildMemory(Figure):
    """Of the rebuild's process; its bound stands where the limit is."""

    name, unit, better, aim = "rebuild_memory", "MiB", LOWER, 1
    limit_is = "the bound: 128 MiB"


class RebuildSearch(Figure):
    """`nova projection rebuild search_index`: nine posts to each user."""

    parts = (RebuildSpeed, RebuildMemory)

    def prepare(self):
        self.events = self.sizes.of(1000000)
        users = max(1, self.events // 10)
        self.world.clean("identity", "content")
        self.world.fill(what="users", events=users)
        self.world.fill(what="posts", events=self.events - users, size=self.sizes.size)
        self.world.analyze("identity", "content")
        self.world.drain("identity", users)
        self.world.drain("content", self.events - users)
        self.saved = False

    def _rebuild(self):
        with self.world.own("service", "identity") as one, self.world.own("service",
                                                                          "content") as other:
            return self.world.nova("projection", "rebuild", "search_index", identity=one.pid,
                                   content=other.pid)

    def ours(self):
        seconds, used = self._rebuild()
        self._save()
        return [self.events / seconds, used["nova"][1]], used

    def _file(self, table):
        return self.world.folder / f"{table}.copy"

    def _save(self):
        """The live generation's rows, and its indexes as statements for the limit's tables."""
        if self.saved:
            return
        live = self.world.one("SELECT generation FROM search.generation"
                              " WHERE projection = 'search_index'")
        schema = f"search_index_g{live}"
        posts = self.world.one(f"SELECT count(*) FROM {schema}.post")
        if posts == 0:
            raise BenchError("the rebuild made no posts")
        for table in SEARCH_TABLES:
            self.world.save_copy(f"SELECT * FROM {schema}.{table}", self._file(table))
        self.world.sql("DROP SCHEMA IF EXISTS bench_shape CASCADE; CREATE SCHEMA bench_shape;" +
                       "".join(f"CREATE TABLE bench_shape.{table} (LIKE {schema}.{table});"
                               for table in SEARCH_TABLES))
        indexes = self.world.sql("SELECT indexdef FROM pg_indexes WHERE schemaname = %s ORDER BY 1",
                                 (schema,))
        (self.world.folder / "indexes.sql").write_text("".join(
            f"{definition.replace(f'ON {schema}.', 'ON bench_limit.')};\n"
            for (definition,) in indexes))
        self.saved = True

    def limit(self):
        self.world.sql("DROP SCHEMA IF EXISTS bench_limit CASCADE; CREATE SCHEMA bench_limit;" +
                       "".join(f"CREATE TABLE bench_limit.{table} (LIKE bench_shape.{table});"
                               for table in SEARCH_TABLES))
        said, used = self.world.run(
            "limit_copy_in", then=self.world.folder / "indexes.sql",
            copy=" ".join(f"bench_limit.{table} {self._file(table)}" for table in SEARCH_TABLES))
        return [self.events / said["seconds"], REBUILD_MIB_MAX], used


CONSUME = [ConsumeSenders]
REBUILD = [RebuildSearch]
