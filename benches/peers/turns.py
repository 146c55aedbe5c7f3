"""How a peer takes turns with horn.

A peer prepares once (imports, compiles, warms up) and prints `ready`. From then on each line on
standard input names a job; it runs that once and prints `NAME value unit`. By hand:

    echo fit fit fit | tr ' ' '\\n' | python benches/peers/tutorial_jax.py CSV
"""

import os
import sys
from time import perf_counter

THREADS = int(os.environ.get("HORN_THREADS", "2"))

# These are read when the libraries are imported, so that this module comes first.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):
    os.environ[name] = str(THREADS)
# Settings of this shell that choose OpenBLAS's kernels by hand make it slower elsewhere.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("KERAS_BACKEND", "jax")


def seconds(job):
    """How long one run of `job` takes."""
    start = perf_counter()
    job()
    return perf_counter() - start


def milliseconds(job, tries=1):
    """A turn that runs `job`; a short one some times, of which the fastest counts, as for horn."""
    return lambda: (min(seconds(job) for _ in range(tries)) * 1e3, "ms")


def each(job, calls):
    """A turn that runs `job` many times, and says what one run takes."""

    def many():
        for _ in range(calls):
            job()

    return lambda: (seconds(many) / calls * 1e6, "us")


def rate(job, samples):
    """A turn that runs `job` once, which works through so many samples."""
    return lambda: (samples / seconds(job), "samples/s")


def take_turns(jobs):
    """Answers each line of standard input; `jobs` are turns by their names."""
    print("ready", flush=True)
    for line in sys.stdin:
        name = line.strip()
        value, unit = jobs[name]()
        print(name, f"{value:.6g}", unit, flush=True)
