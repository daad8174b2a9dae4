"""Phiz's search beside other programs, interleaved, on the same templates and probes, one thread each.

    pip install numpy faiss-cpu usearch sqlite-vec apsw
    cargo build --release -p phiz-gallery --example measure
    target/release/examples/measure fill FOLDER 1000000
    python peers.py target/release/examples/measure FOLDER [ROUNDS]

Each round every program answers the same single probe and the same batch of 64; medians of the rounds are printed, of
processor time so that a busy machine matters less, with the share of probes whose most similar template (by exact f32) was found first. Phiz's times include everything
that its users get: looking the gallery over for changes, exact f32 similarities of the candidates from the sealed
store, rates and decision. The others only give row numbers.
"""

import os
import statistics
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import apsw  # noqa: E402  (Python's own sqlite3 often cannot load extensions)
import faiss  # noqa: E402
import numpy as np  # noqa: E402
import sqlite_vec  # noqa: E402
import usearch.index  # noqa: E402

faiss.omp_set_num_threads(1)


class Phiz:
    name = "phiz (4 bits + f32, sealed)"

    def __init__(self, program, folder):
        self.child = subprocess.Popen([program, "serve", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.child.stdout.readline().startswith("ready")

    def search(self, first, count):
        self.child.stdin.write(f"{first} {count}\n")
        self.child.stdin.flush()
        took, *people = self.child.stdout.readline().split()
        return float(took), [int(p) for p in people]


class Timed:
    """A peer: `found(first, count)` gives the best row of each probe."""

    def search(self, first, count):
        start = time.process_time()
        found = self.found(first, count)
        return (time.process_time() - start) * 1e3, found


class Faiss(Timed):
    def __init__(self, name, index, templates, probes):
        self.name, self.index, self.probes = name, index, probes
        if not index.is_trained:
            index.train(templates[:20000])
        for start in range(0, len(templates), 100_000):
            index.add(templates[start : start + 100_000])

    def found(self, first, count):
        return self.index.search(self.probes[first : first + count], 1)[1][:, 0].tolist()


class Usearch(Timed):
    name = "usearch exact i8"

    def __init__(self, templates, probes):
        scale = 127 / np.abs(templates[:1000]).max() / 1.2
        self.codes = np.clip(np.round(templates * scale), -127, 127).astype(np.int8)
        self.probes = np.clip(np.round(probes * scale), -127, 127).astype(np.int8)

    def found(self, first, count):
        probes = self.probes[first : first + count]
        matches = usearch.index.search(self.codes, probes, 1, usearch.index.MetricKind.Cos, exact=True, threads=1)
        return np.atleast_1d(np.asarray(matches.keys).reshape(count, -1)[:, 0]).tolist()


class SqliteVec(Timed):
    name = "sqlite-vec int8"

    def __init__(self, templates, probes, folder):
        path = os.path.join(folder, "peer.sqlite")
        fresh = not os.path.exists(path)
        self.db = apsw.Connection(path)
        self.db.enable_load_extension(True)
        self.db.load_extension(sqlite_vec.loadable_path())
        scale = 127 / np.abs(templates[:1000]).max() / 1.2
        if fresh:
            self.db.execute(f"CREATE VIRTUAL TABLE t USING vec0(v int8[{templates.shape[1]}] distance_metric=cosine)")
            codes = np.clip(np.round(templates * scale), -127, 127).astype(np.int8)
            rows = ((i, code.tobytes()) for i, code in enumerate(codes))
            with self.db:
                self.db.executemany("INSERT INTO t (rowid, v) VALUES (?, vec_int8(?))", rows)
        self.probes = np.clip(np.round(probes * scale), -127, 127).astype(np.int8)

    def found(self, first, count):
        sql = "SELECT rowid FROM t WHERE v MATCH vec_int8(?) AND k = 1"
        return [next(self.db.execute(sql, (p.tobytes(),)))[0] for p in self.probes[first : first + count]]


def main(program, folder, rounds=7):
    templates = np.load(os.path.join(folder, "templates.npy"), mmap_mode="r")
    probes = np.load(os.path.join(folder, "probes.npy"))
    dim = templates.shape[1]
    peers = [
        Phiz(program, folder),
        Faiss("faiss IndexFlatIP f32", faiss.IndexFlatIP(dim), templates, probes),
        Faiss(
            "faiss SQ8",
            faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT),
            templates,
            probes,
        ),
        Usearch(templates, probes),
        SqliteVec(templates, probes, folder),
    ]
    truth = peers[1]
    batched = {peer.name: not isinstance(peer, SqliteVec) for peer in peers}
    single = {peer.name: [] for peer in peers}
    batch = {peer.name: [] for peer in peers}
    right = {peer.name: [0, 0] for peer in peers}
    for round_ in range(rounds):
        first = round_ * 64 % (len(probes) - 64)
        wanted = truth.found(first, 64)
        for peer in peers:
            took, found = peer.search(first + 32, 1)
            single[peer.name].append(took)
            right[peer.name][0] += int(found[0] == wanted[32])
            right[peer.name][1] += 1
            if batched[peer.name]:
                took, found = peer.search(first, 64)
                batch[peer.name].append(took / 64)
                right[peer.name][0] += sum(a == b for a, b in zip(found, wanted))
                right[peer.name][1] += 64
    print(f"{len(templates)} templates of {dim} values, one thread, medians of {rounds} rounds, ms a probe")
    print("| | one | × phiz | in batches of 64 | × phiz | found first |")
    print("|---|---|---|---|---|---|")
    for peer in peers:
        one, many = statistics.median(single[peer.name]), batch[peer.name]
        own_one, own_many = statistics.median(single[peers[0].name]), statistics.median(batch[peers[0].name])
        many_text = f"{statistics.median(many):.2f} | {statistics.median(many) / own_many:.1f}" if many else "– | –"
        share = right[peer.name][0] / right[peer.name][1]
        print(f"| {peer.name} | {one:.1f} | {one / own_one:.1f} | {many_text} | {share:.3f} |")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(a) for a in sys.argv[3:4]))
