"""`Client`: policies, promotions and evaluations, which only Modelyard servers have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from .environments import Environments
from .transport import NATIVE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelyard.wire.policies import Evaluation, Explanation, PolicyEntry, PolicySettings, Undone

T = TypeVar("T")


class Policies(Environments):
    """What may serve where, which version is chosen and why."""

    def list_policies(self) -> list[PolicyEntry]:
        """All policies: of environments, and of slots in them. Modelyard's own."""
        from modelyard.wire.policies import PolicyList

        return self._of_policies("GET", "policies", None, PolicyList).policies

    def set_policy(self, environment: str, slot: str, policy: PolicySettings, reason: str = "") -> PolicyEntry:
        """Replace the policy of a slot, or with an empty slot of the whole environment. Modelyard's own.

        Args:
            environment: its name.
            slot: a model's name, or one for which several compete; empty: all slots inherit it.
            policy: what holds; what is None is inherited.
            reason: why; kept in the history.

        Raises:
            NotFound: there is no such environment or model.
            InvalidArgument: the policy cannot be meant.
        """
        from modelyard.wire.policies import PolicyChange
        from modelyard.wire.policies import PolicyEntry as Entry

        return self._of_policies("PUT", _policy(environment, slot), PolicyChange(policy=policy, reason=reason), Entry)

    def delete_policy(self, environment: str, slot: str, reason: str = "") -> None:
        """Remove the policy of a slot, or with an empty slot of the environment. Modelyard's own."""
        from modelyard.wire.versions import WithReason

        self._of_policies("DELETE", _policy(environment, slot), WithReason(reason=reason), None)

    def explain_policy(self, environment: str, slot: str, policy: PolicySettings | None = None) -> Explanation:
        """Which version a slot of an environment stands for, and why the others do not. Modelyard's own.

        Args:
            environment: its name.
            slot: a model's name, or one for which several compete.
            policy: one to try instead of the slot's; nothing is changed by it.

        Raises:
            NotFound: there is no such environment or model.
        """
        from modelyard.wire.policies import ExplainQuery
        from modelyard.wire.policies import Explanation as Answer

        path = f"environments/{quote(environment, safe='')}/slots/{quote(slot, safe='')}/explain"
        return self._of_policies("POST", path, ExplainQuery(policy=policy), Answer)

    def promote(
        self,
        name: str,
        version: str | int,
        environment: str,
        *,
        allowance: str | None = None,
        slot: str = "",
        reason: str = "",
    ) -> Explanation:
        """Point an environment to a version and raise the allowance with it: both or neither. Modelyard's own.

        Args:
            name: the registered model's name.
            version: its number, or whatever else names it: a label, `@alias`, another environment, `latest`.
            environment: its name.
            allowance: labels that may serve from now on, such as `<=2.0`; None: as before.
            slot: whose policy changes; empty: the model's.
            reason: why; kept in the history.

        Raises:
            NotFound: there is no such environment or version.
            InvalidArgument: the version may not serve there.
        """
        from modelyard.wire.policies import Explanation as Answer
        from modelyard.wire.policies import Promotion

        body = Promotion(
            version=int(version) if str(version).isdigit() else version,
            allowance=allowance,
            slot=slot,
            reason=reason,
        )
        return self._of_policies("POST", _promotion(name, environment), body, Answer)

    def undo_promotion(self, name: str, environment: str, reason: str = "") -> Undone:
        """Take back the last promotion: pointer and allowance together. Modelyard's own.

        Raises:
            NotFound: nothing can be undone.
            InvalidState: pointer or policy changed since.
        """
        from modelyard.wire.policies import Undone as Answer
        from modelyard.wire.versions import WithReason

        return self._of_policies("DELETE", _promotion(name, environment), WithReason(reason=reason), Answer)

    def log_evaluation(
        self,
        name: str,
        version: str | int,
        metrics: Mapping[str, float],
        dataset_digest: str,
        dataset_name: str = "",
    ) -> list[Evaluation]:
        """Store metrics of a version, measured on one dataset. Modelyard's own.

        Args:
            name: the registered model's name.
            version: its number, or whatever else names it.
            metrics: values by name; a newer value replaces an older one.
            dataset_digest: of the dataset; only values of one digest are compared.
            dataset_name: what people call it.
        """
        from modelyard.wire.policies import EvaluationList, NewEvaluation

        path = f"models/{quote(name, safe='')}/versions/{quote(str(version), safe='')}/evaluations"
        body = NewEvaluation(dataset_digest=dataset_digest, metrics=dict(metrics), dataset_name=dataset_name)
        return self._of_policies("POST", path, body, EvaluationList).evaluations

    def list_evaluations(self, name: str) -> list[Evaluation]:
        """Metrics of a model's versions on fixed datasets, the newest version first. Modelyard's own."""
        from modelyard.wire.policies import EvaluationList

        return self._of_policies("GET", f"models/{quote(name, safe='')}/evaluations", None, EvaluationList).evaluations

    def _of_policies(self, method: str, path: str, message: Any, kind: type[T] | None) -> T:
        self.registry.native("Policies")
        return self.registry.call(method, NATIVE + path, message, kind)


def _policy(environment: str, slot: str) -> str:
    inner = f"/slots/{quote(slot, safe='')}" if slot else ""
    return f"environments/{quote(environment, safe='')}{inner}/policy"


def _promotion(name: str, environment: str) -> str:
    return f"models/{quote(name, safe='')}/environments/{quote(environment, safe='')}/promote"
