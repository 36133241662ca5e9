"""The pool of this process, looked at when somebody scrapes: nothing is counted while it works."""

from prometheus_client import Metric

from app.kernel.database import DB


def pool_figures() -> Metric:
    metric = Metric("jiuyi_pool_connections", "Connections of the pool: most, open, in_use", "gauge")
    pool = DB.pool
    if pool is not None:
        is_open = pool.get_size()
        in_use = is_open - pool.get_idle_size()
        for state, value in (("most", pool.get_max_size()), ("open", is_open), ("in_use", in_use)):
            metric.add_sample(metric.name, {"state": state}, value)
    return metric
