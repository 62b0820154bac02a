"""What every peer script measures, in one way."""
import resource
import statistics
import time


def median_ms(body, repeats, warm_up=1):
    """Median milliseconds of `repeats` calls, after `warm_up` that do not count."""
    for _ in range(warm_up):
        body()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        body()
        times.append(1e3 * (time.perf_counter() - start))
    return round(statistics.median(times), 4)


def peak_rss_mb():
    """Peak resident memory of this process in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
