import pytest

from echo_ops import errors
from echo_ops.pipeline.dag_defaults import on_gpu, task_defaults


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.InputError, "fail"),
        (errors.SchemaError, "fail"),
        (errors.QualityError, "fail"),
        (errors.BudgetError, "fail"),
        (errors.TrainingError, "fail"),
        (errors.TeacherError, "default"),
        (errors.UnavailableError, "default"),
        (OSError, "default"),
    ],
)
def test_only_what_may_pass_is_tried_again(error: type[Exception], action: str) -> None:
    defaults = task_defaults(retries=2, minutes=1)
    assert defaults["retry_policy"].evaluate(error("why"), 1, 3).action.value == action


def test_by_default_every_task_runs_where_all_others_do() -> None:
    assert on_gpu() == {}
