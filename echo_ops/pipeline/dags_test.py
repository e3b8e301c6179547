"""Runs ``airflow dags test`` once for each line of standard input, in one process.

The first run of a process takes 8 s on two cores (imports, and Airflow's execution API), each further one 0.3 s and
what its tasks take, so that a chain of five runs costs 10 s instead of 45. It is the command itself that runs, with
its own arguments; nothing of Airflow is replaced. Started by ``dag_runs``, which writes the lines and reads the output.
"""

from __future__ import annotations

import json
import sys
import traceback

FINISHED = "echo-ops: airflow dags test ended with status"
"""Begins the line that follows the output of a run; the status is the last word."""


def main() -> None:
    """Reads ``[dag_id, conf]`` as JSON from each line."""
    from airflow.__main__ import main as airflow

    for line in sys.stdin:
        dag_id, conf = json.loads(line)
        sys.argv = ["airflow", "dags", "test", dag_id, "--conf", json.dumps(conf)]
        status: int = 0
        try:
            airflow()
        except SystemExit as end:
            # the command says `SystemExit("DagRun failed")`, which a shell sees as status 1
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:
            traceback.print_exc()
            status = 1
        sys.stderr.flush()
        print(f"\n{FINISHED} {status}", flush=True)


if __name__ == "__main__":
    main()
