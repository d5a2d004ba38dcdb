"""Who builds an approved epic, put together: worktrees, gate, proofs, merge queue, workers, and their supervisor."""

from equitr_coder.domain.epic import Plan, TaskState, agent_names
from equitr_coder.orchestration.advice import Quota
from equitr_coder.orchestration.conflict_log import ConflictLog
from equitr_coder.orchestration.conflicts import Conflicts
from equitr_coder.orchestration.disagreements import Disagreements
from equitr_coder.orchestration.footprints import Footprints
from equitr_coder.orchestration.forecast import Forecasts
from equitr_coder.orchestration.gate import Gate
from equitr_coder.orchestration.mailbox import Mailbox
from equitr_coder.orchestration.merge_queue import MergeQueue
from equitr_coder.orchestration.panel import Panel
from equitr_coder.orchestration.promises import Promises
from equitr_coder.orchestration.proof import ProofKeeper
from equitr_coder.orchestration.proposals import Proposals, ProposalTerms
from equitr_coder.orchestration.review import Reviewer
from equitr_coder.orchestration.review_session import ReviewSessions
from equitr_coder.orchestration.seats import Seats
from equitr_coder.orchestration.supervisor import Supervisor
from equitr_coder.orchestration.sync_points import SyncPoints
from equitr_coder.orchestration.worker import TaskWorker, WorkerTerms
from equitr_coder.orchestration.worktree_pool import WorktreePool
from equitr_coder.orchestration.worktrees import RunPlaces, Worktrees
from equitr_coder.planning.size import is_complex, is_critical
from equitr_coder.ports import RunKit
from equitr_coder.workflows.documents import NAMES


class Crew:
    def __init__(self, kit: RunKit, worktrees: Worktrees) -> None:
        view = kit.events.view
        plan, branch = view.plan, view.branch
        assert plan is not None, "an epic is approved before it is built"
        assert branch is not None
        self._kit = kit
        self.worktrees = worktrees
        documents = {name: document.content for name, document in view.documents.items()}
        gate = open_gate(kit, worktrees, timeout=kit.terms.check_timeout)
        proof = ProofKeeper(gate=gate, repository=kit.repository, events=kit.events, approvals=kit.approvals)
        prefix = f"refs/equitr/{view.epic}/"
        log = ConflictLog(kit.events)
        quota = Quota(kit.events, kit.terms.max_run_escalations)
        reviewer = _reviewer(kit, plan, worktrees, log, quota)
        conflicts = Conflicts(
            log=log,
            options=view.options,
            proposals=_proposals(kit, worktrees, reviewer, quota) if view.options.multi_agent else None,
            repository=kit.repository,
            worktrees=worktrees,
            events=kit.events,
            ref_prefix=prefix,
        )
        mailbox = Mailbox(kit.events)
        sync_points = SyncPoints(plan=plan, events=kit.events, mailbox=mailbox)
        promises = Promises(
            plan=plan,
            repository=kit.repository,
            gate=gate,
            events=kit.events,
            mailbox=mailbox,
            sync_points=sync_points,
            ref_prefix=prefix,
        )
        footprints = Footprints(plan=plan, repository=kit.repository, events=kit.events)
        queue = self._queue = MergeQueue(
            plan=plan,
            branch=branch,
            repository=kit.repository,
            gate=gate,
            reviewer=reviewer,
            events=kit.events,
            store=kit.store,
            clock=kit.clock,
            default_check=kit.terms.default_check,
            gate_checks=kit.terms.gate_checks,
            ref_prefix=prefix,
            resolver=conflicts,
            proofs=(proof, footprints, promises),
            chronicle=promises,
            written_by=proof.written_by,
        )
        seats = Seats(view.options.max_workers, may_overlap=lambda: worktrees.are_quick)
        worker = TaskWorker(
            terms=WorkerTerms(
                plan=plan,
                names=agent_names(plan),
                documents=documents,
                documents_at=view.documents_at or "docs",
                document_paths=tuple(f"{view.documents_at}/{name}.md" for name in NAMES) if view.documents_at else (),
                request=view.opening,
                images=view.images,
                options=view.options,
                has_supervisor=view.options.multi_agent,
                max_escalations=kit.terms.max_escalations,
                has_stronger_attempt=kit.terms.has_stronger_attempt,
                is_complex=lambda task: is_complex(task, is_planned=bool(documents)),
                ref_prefix=prefix,
            ),
            repository=kit.repository,
            worktrees=worktrees,
            spawner=kit.spawner,
            queue=queue,
            footprints=footprints,
            events=kit.events,
            clock=kit.clock,
            open_workspace=kit.open_workspace,
            forecasts=Forecasts(plan=plan, log=log, repository=kit.repository, events=kit.events),
            sync_points=sync_points,
            held=proof.held,
            quota=quota,
            code_maps=kit.code_maps,
            seats=seats,
        )
        self.supervisor = Supervisor(plan=plan, worker=worker, events=kit.events, seats=seats)
        sync_points.watch(self.supervisor.look_again)

    async def recover(self) -> None:
        """Put right what a process that died has left, before anything is paid.

        Raises:
            UserError: the integration branch is not where the log left it.
        """
        await open_pool(self._kit).reclaim()
        for task in self._kit.events.view.tasks.values():
            if task.state is TaskState.DONE:
                self.worktrees.close(task.id)
        await self._queue.recover()

    async def close(self) -> None:
        """Nobody works any more."""
        await self._queue.close()


def open_pool(kit: RunKit) -> WorktreePool:
    return WorktreePool(
        repository=kit.repository, store=kit.store, workspace=kit.worktrees, size=kit.terms.worktree_pool
    )


def open_worktrees(kit: RunKit, pool: WorktreePool) -> Worktrees:
    """Those of the run; as many checks as it has workers may run in checkouts of their own at once."""
    git_dir = kit.repository.git_dir()
    root = kit.worktrees / kit.events.view.run
    return Worktrees(
        repository=kit.repository,
        places=RunPlaces(root=root, checkout=kit.checkout, git_dir=git_dir, links=kit.links),
        preparation=kit.preparation,
        pool=pool,
        leases=kit.leases,
        gate_slots=kit.events.view.options.max_workers,
    )


def open_gate(kit: RunKit, worktrees: Worktrees, *, timeout: float) -> Gate:
    return Gate(repository=kit.repository, executor=kit.executor, store=kit.store, worktrees=worktrees, timeout=timeout)


def _reviewer(kit: RunKit, plan: Plan, worktrees: Worktrees, log: ConflictLog, quota: Quota) -> Reviewer:
    view = kit.events.view
    rules = view.options.panel
    sessions = ReviewSessions(
        spawner=kit.spawner,
        repository=kit.repository,
        worktrees=worktrees,
        documents={name: document.content for name, document in view.documents.items()},
        documents_at=view.documents_at,
    )
    return Reviewer(
        plan=plan,
        mode=view.options.review if view.options.multi_agent else "none",
        rules=rules,
        is_critical=is_critical,
        panel=Panel(rules=rules, seconds=view.options.worker_timeout, sessions=sessions, events=kit.events),
        disagreements=Disagreements(
            policy=rules.policy,
            names=agent_names(plan),
            sessions=sessions,
            log=log,
            quota=quota,
            approvals=kit.approvals,
            repository=kit.repository,
            events=kit.events,
        ),
        repository=kit.repository,
    )


def _proposals(kit: RunKit, worktrees: Worktrees, reviewer: Reviewer, quota: Quota) -> Proposals:
    view = kit.events.view
    assert view.plan is not None, "an epic is approved before it is built"
    return Proposals(
        terms=ProposalTerms(
            plan=view.plan,
            names=agent_names(view.plan),
            options=view.options,
            documents_at=view.documents_at,
        ),
        spawner=kit.spawner,
        repository=kit.repository,
        worktrees=worktrees,
        events=kit.events,
        approvals=kit.approvals,
        reviewer=reviewer,
        quota=quota,
    )
