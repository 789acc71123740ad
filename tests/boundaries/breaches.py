"""One breach for each row of docs/boundaries.md: one edit that takes the protection away, and the test that has to notice.

A row is named by its beginning. `gone` stands in `file` once, and `instead` takes its place. A row may have several breaches.
"""

from typing import NamedTuple


class Breach(NamedTuple):
    """`tests`: what follows `pytest` on the command line: files, single tests, `-k` with words."""

    row: str
    file: str
    gone: str
    instead: str
    tests: str


IMPORTS, SHAPE = "tests/boundaries/test_imports.py", "tests/boundaries/test_shape.py"
WALLS, WAITING = "tests/boundaries/test_sandbox_walls.py", "tests/boundaries/test_waiting_sandboxes.py"
PLACEMENT = "tests/contract/test_contract_placement.py"
RAY = "tests/unit/node/test_node_ray.py"
KUBERNETES, IN_KUBERNETES = "tests/unit/node/test_node_kubernetes.py", "tests/contract/test_contract_kubernetes.py"
GRAPHS, SCRIPTS = "tests/boundaries/test_hostile_graph.py", "tests/unit/node/test_node_scripts.py"
HUB, FHIR = "tests/boundaries/test_hostile_hub.py", "tests/boundaries/test_hostile_fhir_server.py"
AUDIT, UPDATES = "tests/unit/node/test_node_audit.py", "tests/unit/hub/test_hub_bad_updates.py"
STEWARDS, DOORS = "tests/unit/node/test_node_stewards.py", "tests/unit/hub/test_hub_doors.py"

EVIDENCE, EVIDENCE_TIER = "tests/vectors/test_vectors_evidence.py", "tests/unit/proof/test_proof_evidence.py"

# fmt: off
BREACHES = (
    # Between rooms
    Breach("imports point down only", ".importlinter", "exhaustive = True", "exhaustive = False", f"{IMPORTS} -k new_room"),
    Breach("imports point down only", ".importlinter", "    proof\n    graph", "    graph", f"{IMPORTS} -k holds"),
    Breach("the hub, a witness and the researcher's client", ".importlinter", "    duckdb\n    pyarrow\n    torch\n", "    duckdb\n    torch\n", f"{IMPORTS} -k rows"),
    Breach("only the journey may use the outbox", ".importlinter", "    rapha.node.journey\n", "    rapha.node\n", f"{IMPORTS} -k outbox"),
    Breach("the node agent never loads torch", ".importlinter", "    rapha.node\nforbidden_modules =\n    torch\n", "    rapha.node\nforbidden_modules =\n    jax\n", f"{IMPORTS} -k torch"),
    Breach("proof stands on the standard library", "checks/shape.py", "yield from foreign_imports(tree, place)", "pass", f"{SHAPE} -k pydantic"),
    Breach("proof stands on the standard library", ".importlinter", "    fastapi\n    httpx2\n", "    fastapi\n", f"{IMPORTS} -k Proof"),
    Breach("rooms stay small and plainly named", "checks/shape.py", "if lines > MODULE_LINES:", "if lines > 2 * MODULE_LINES:", f"{SHAPE} -k 401"),
    # Around the decision
    Breach("nobody signs for another", "src/rapha/policy/stewards.py", "signers.add(one.steward)", "signers.add(one.signature)", "tests/unit/policy/test_policy_stewards.py"),
    Breach("nobody signs for another", "src/rapha/policy/names.py", "set(left) == set(right)", "left == right", "tests/unit/policy/test_policy_names.py"),
    Breach("nobody signs for another", "src/rapha/node/approvals.py", "key.public_key() != named.public", "False", STEWARDS),
    Breach("a signature for another study", "src/rapha/policy/stewards.py", '{"type": SIGNED_TYPE, **self._asdict(),', '{"type": SIGNED_TYPE, "study": self.study_digest,', STEWARDS),
    Breach("a signature for another study", "src/rapha/policy/decide.py", "by_rule is not True and stewards.holds(", "by_rule is None and stewards.holds(", STEWARDS),
    Breach("a purpose beyond the data's", "src/rapha/policy/data_use.py", "and set(facts.data_use) <= known", "", "tests/unit/policy/test_policy_data_use.py"),
    Breach("a purpose beyond the data's", "src/rapha/policy/data_use.py", "if _met(facts, condition) is not True", "if _met(facts, condition) is None", "tests/unit/policy/test_policy_data_use.py"),
    Breach("a hospital's own permit narrows only", "src/rapha/policy/own_permit.py", "and len(answer.diagnostics.errors) == 0", "", "tests/unit/policy/test_policy_own_permit.py"),
    Breach("a hospital's own permit narrows only", "src/rapha/policy/own_permit.py", "if not checked.validation_passed:", "if False:", "tests/unit/policy/test_policy_own_permit.py"),
    Breach("what was decided cannot be rewritten", "src/rapha/node/register.py", "if record.digest != digest:", "if False:", STEWARDS),
    Breach("what was decided cannot be rewritten", "src/rapha/node/decisions.py", "nonce=secrets.token_hex(16)", 'nonce="0" * 32', STEWARDS),
    # Around the workload
    Breach("no network, no host file", "src/rapha/node/sandbox/bubblewrap.py", '"--unshare-all", "--unshare-user",', '"--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup", "--unshare-user",', "tests/contract/test_contract_sandbox.py -k late"),
    Breach("no network, no host file", "src/rapha/node/sandbox/landlock.py", '"lay into": READ | READ_FOLDER | WRITE | TRUNCATE,', '"lay into": READ | READ_FOLDER | WRITE | TRUNCATE | MAKE_FILE,', f"{WALLS} -k fill_only"),
    Breach("a wall that does not hold", "src/rapha/node/sandbox/started.py", "if layers and (fell or untried):", "if layers and untried:", f"{WALLS} -k ends_the_run"),
    Breach("a wall that does not hold", "src/rapha/node/sandbox/started.py", "if layers and (fell or untried):", "if layers and fell:", f"{WALLS} -k nobody_tried"),
    Breach("a machine that cannot isolate refuses", "src/rapha/policy/decide.py", "f.isolated or not r.isolation_required", "True", "tests/unit/node/test_node_approvals.py"),
    Breach("all processes of a sandbox together", "src/rapha/node/sandbox/control_group.py", 'echo $$ > "$1" || exit 71; shift', "shift", "tests/unit/node/test_node_control_group.py"),
    Breach("all processes of a sandbox together", "src/rapha/node/sandbox/control_group.py", 'self._tree.write(self._folder / "cgroup.kill", "1")', "pass", "tests/unit/node/test_node_control_group.py"),
    Breach("a sandbox outside of its group", "src/rapha/node/sandbox/control_group.py", "if other or not inside:", "if other:", "tests/unit/node/test_node_control_group.py"),
    Breach("a machine that lacks a layer", "src/rapha/policy/decide.py", "r.demanded_layers <= set(f.layers)", "True", "tests/unit/policy/test_policy_layers.py"),
    Breach("a sandbox that waits sees nothing", "src/rapha/node/sandbox/port.py", "os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW", "os.O_CREAT | os.O_NOFOLLOW", f"{WAITING} -k wrote_before"),
    Breach("each serves one dispatch", "src/rapha/node/sandbox/waiting.py", "if any(run.input.iterdir()) or any(run.weights.iterdir()):", "if False:", f"{WAITING} -k somebody_wrote"),
    Breach("each serves one dispatch", "src/rapha/node/sandbox/waiting.py", "or found.circumstances != self._now():", "or False:", f"{WAITING} -k other_rules_end"),
    Breach("on another machine of the hospital", "src/rapha/node/sandbox/launch.py", "if order.layers != layers:", "if False:", f"{PLACEMENT} -k other_layers"),
    Breach("on another machine of the hospital", "src/rapha/node/sandbox/launch.py", "if order.code != code_digest():", "if False:", f"{PLACEMENT} -k other_code"),
    Breach("on another machine of the hospital", "src/rapha/node/sandbox/launch.py", "== places.token", "!= ''", f"{PLACEMENT} -k not_the_same_there"),
    Breach("what an agent started there ends", "src/rapha/node/sandbox/launch.py", "        look.register(0, select.POLLIN)", "        pass", "tests/unit/node/test_node_launch.py -k whatever_it"),
    Breach("what an agent started there ends", "src/rapha/node/sandbox/elsewhere.py", "        self._placement.end(self._job.name)", "        pass", f"{PLACEMENT} -k 'taken_out or command_is_killed'"),
    Breach("a job of Ray's is a command line", "src/rapha/node/sandbox/ray_here.py", "shlex.join(", "' '.join(", f"{RAY} -k quoted_words"),
    Breach("a job of Ray's is a command line", "src/rapha/node/sandbox/cluster_http.py", " or found.st_mode & 0o077", "", f"{RAY} -k others_may_read"),
    Breach("a job of Ray's is a command line", "src/rapha/node/sandbox/ray_jobs.py", '.get("authentication_mode") != "token"', '.get("authentication_mode") == ""', f"{RAY} -k lets_anybody_in"),
    Breach("both ends of a sandbox in a Ray job", "src/rapha/node/sandbox/ray_line.py", "context.verify_mode = ssl.CERT_REQUIRED", "context.verify_mode = ssl.CERT_NONE", "tests/unit/node/test_node_ray_line.py -k own_certificate"),
    Breach("a Pod of Kubernetes's is asked for", "src/rapha/node/sandbox/kubernetes_objects.py", '"automountServiceAccountToken": False', '"automountServiceAccountToken": True', f"{KUBERNETES} -k nothing_but_run"),
    Breach("a Pod of Kubernetes's is asked for", "src/rapha/node/sandbox/kubernetes_objects.py", "if exactly and any(", "if False and any(", f"{KUBERNETES} -k changed_on_its_way"),
    Breach("a Pod of Kubernetes's is asked for", "src/rapha/node/sandbox/kubernetes_here.py", "if other := unlike(spec, pod.spec):", "if other := None:", f"{IN_KUBERNETES} -k not_spoken_to"),
    Breach("no job is handed to a namespace", "src/rapha/node/sandbox/kubernetes_objects.py", 'if spec.get("ingress") or spec.get("egress"):', 'if spec.get("ingress"):', f"{KUBERNETES} -k anything_may_be_reached"),
    Breach("no job is handed to a namespace", "src/rapha/node/sandbox/kubernetes_here.py", "    patiently(api.check_network)\n", "", f"{IN_KUBERNETES} -k nothing_is_handed_in"),
    Breach("an API server that answers without end", "src/rapha/node/sandbox/kubernetes_api.py", "if owner in pod.metadata.ownerReferences", "if pod.metadata.ownerReferences", f"{IN_KUBERNETES} -k is_not_its_pod"),
    Breach("an API server that answers without end", "src/rapha/node/sandbox/kubernetes_api.py", " or seen.metadata.annotations.get(ASKED_BY) != asked_by", "", f"{IN_KUBERNETES} -k neither_taken"),
    Breach("an API server that answers without end", "src/rapha/node/sandbox/cluster_http.py", "if len(answer) > MAX_ANSWER_BYTES:", "if False:", f"{IN_KUBERNETES} -k lies"),
    Breach("frozen rows on a shared file system", "src/rapha/node/sandbox/shared_folder.py", " or found.st_mode & 0o077", "", "tests/unit/node/test_node_shared_folder.py"),
    Breach("frozen rows on a shared file system", "src/rapha/node/sandbox/shared_folder.py", "        _check_above(runs.parent)\n", "", "tests/unit/node/test_node_shared_folder.py"),
    Breach("a node that is killed leaves no waiting", "src/rapha/node/sandbox/waiting.py", "shutil.rmtree(self._folder, ignore_errors=True)\n        if self._wanted", "if self._wanted", f"{WAITING} -k swept"),
    Breach("a workload that dies, floods", "src/rapha/node/sandbox/process.py", "file.write(block[: max(0, MAX_LOG_BYTES - kept)])", "file.write(block)", f"{WALLS} -k flood_of_words"),
    Breach("a workload that dies, floods", "src/rapha/node/sandbox/process.py", "if not ready.ok or ready.numerics is None:", "if ready.numerics is None and ready.ok:", "tests/contract/test_contract_sandbox.py -k cannot_read"),
    Breach("the filter says of every system call", "src/rapha/node/sandbox/seccomp.py", "_one_of(FIRST_ARGUMENT_AT, [0]))", "[_answer(ALLOW)])", "tests/unit/node/test_node_seccomp.py"),
    Breach("the filter says of every system call", "src/rapha/node/sandbox/seccomp.py", "Step(JUMP_ANY_BIT, 2, 0, CLONE_NEW_ANY)", "Step(JUMP_ANY_BIT, 2, 0, 0)", "tests/unit/node/test_node_seccomp.py"),
    # A researcher's own model
    Breach("a graph is read in the sandbox alone", ".importlinter", "    rapha.hub\n    rapha.witness\nforbidden_modules =\n    rapha.graph\n", "    rapha.witness\nforbidden_modules =\n    rapha.graph\n", f"{IMPORTS} -k graph"),
    Breach("no pickle, nothing packed", "src/rapha/graph/archive.py", "(flags, method, extra, comment, disk) != (0, 0, 0, 0, 0)", "(extra, comment, disk) != (0, 0, 0)", f"{GRAPHS} -k in-the-list"),
    Breach("no pickle, nothing packed", "src/rapha/graph/archive.py", "if entry.name in found:", "if False:", f"{GRAPHS} -k twice"),
    Breach("no pickle, nothing packed", "src/rapha/graph/reading.py", 'entry.get("use_pickle") is not False', "False", f"{GRAPHS} -k pickled-tensor"),
    Breach("no operator off the list", "src/rapha/graph/reading.py", "if operator not in OPERATORS:", "if False:", f"{GRAPHS} -k off_the_list"),
    Breach("no operator off the list", "src/rapha/graph/reading.py", "if name not in self._known:", "if False:", f"{GRAPHS} -k cycle"),
    Breach("no operator off the list", "src/rapha/graph/reading.py", "and _spread(node) > MAX_SPREAD", "and False", f"{GRAPHS} -k zeros-without-end"),
    Breach("nothing is written in place", "src/rapha/graph/reading.py", "(self._parameters.get(tensor, True) or tensor in self._running)", "False", GRAPHS),
    Breach("a graph that mixes rows", "src/rapha/training/private.py", "isinstance(network, Interpreter | CausalAdapter):\n        return", "isinstance(network, CausalAdapter):\n        return", "tests/unit/training/test_training_exported.py -k mixes"),
    Breach("a graph with other inputs", "src/rapha/graph/fit.py", "if given != (wanted := inputs_of(study)):", "wanted = given\n    if False:", "tests/unit/training/test_training_exported.py -k another_study"),
    Breach("a graph goes to the sites", "src/rapha/hub/graphs.py", "DeliveredRow.digest == digest, DispatchRow.site == site", "DeliveredRow.digest == digest", "tests/unit/hub/test_hub_graphs.py"),
    Breach("a graph goes to the sites", "src/rapha/hub/graphs.py", "if blobs.size_bytes(digest) != size_bytes:", "if False:", "tests/unit/hub/test_hub_graphs.py"),
    # A researcher's own script
    Breach("no script runs unless", "src/rapha/policy/decide.py", 'f.mode == "A" or set(f.layers) >= FOR_SCRIPTS', "True", "tests/unit/policy/test_policy_modes.py"),
    Breach("no script runs unless", "src/rapha/policy/decide.py", 'and facts.mode == "A"', "and True", "tests/unit/policy/test_policy_modes.py"),
    Breach("no script runs unless", "src/rapha/node/scripts.py", "set(backend.layers) >= FOR_SCRIPTS", "True", f"{SCRIPTS} -k fewer"),
    Breach("network, files, processes, other rows", "src/rapha/node/shards.py", "if name in found.column_names:", "if False:", "tests/unit/node/test_node_shards.py"),
    Breach("a script that never ends", "src/rapha/node/scripts.py", "said = reply.reason if reply.reason in _SAID else", "said = reply.reason if reply.reason else", SCRIPTS),
    Breach("its one file is opened when", "src/rapha/node/scripts.py", "        finally:\n            sandbox.close()\n        if not reply.ok", "        finally:\n            pass\n        if not reply.ok", SCRIPTS),
    Breach("in mode B one patient changes one shard", "src/rapha/egress/sample_and_aggregate.py", "total += clipped(update, clip)", "total += np.trunc(update * (GRID / clip)).astype(np.int64)", "tests/unit/egress/test_egress_sample_and_aggregate.py"),
    Breach("in mode B one patient changes one shard", "src/rapha/node/shards.py", "dealt = sorted((tag_of(key, subject), at)", "dealt = sorted((tag_of(key, at), at)", "tests/unit/node/test_node_shards.py"),
    Breach("in mode B neither a failure", "src/rapha/node/scripts.py", "self._wait(max(0.0, ends - self._clock()))", "pass", SCRIPTS),
    Breach("weights of mode C that remember", "src/rapha/node/scripts.py", "return np.where(first, scores[1], scores[0])", "return np.where(first, scores[0], scores[1])", SCRIPTS),
    Breach("rows, or one patient's presence, out of mode B", "src/rapha/egress/sample_and_aggregate.py", "mean: Floats = (total + noise)", "mean: Floats = (total + 0 * noise)", "tests/boundaries/test_smuggling_script.py -k mode_b"),
    Breach("a steward reads exactly the script", "src/rapha/cli/node_show.py", "if digest(content) != model.script:", "if False:", "tests/unit/cli/test_node_show.py"),
    Breach("a steward reads exactly the script", "src/rapha/cli/node_show.py", '{visible(line)}", markup=False, highlight=False, soft_wrap=True)', '{line}", markup=False, highlight=False, soft_wrap=True)', "tests/unit/cli/test_node_show.py"),
    # Out of the hospital
    Breach("only plain files of fixed names", "src/rapha/egress/collect.py", "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK", "os.O_RDONLY | os.O_NONBLOCK", "tests/boundaries/test_egress_collect.py"),
    Breach("only plain files of fixed names", "src/rapha/egress/collect.py", "if found.st_nlink != 1:", "if False:", "tests/boundaries/test_egress_collect.py"),
    Breach("only plain files of fixed names", "src/rapha/egress/collect.py", "if not stat.S_ISREG(found.st_mode):", "if False:", "tests/boundaries/test_egress_collect.py"),
    Breach("only plain files of fixed names", "src/rapha/egress/collect.py", "if len(data) > limit_bytes:", "if False:", "tests/boundaries/test_egress_collect.py"),
    Breach("the low bits of what a script gives", "src/rapha/node/scripts.py", "return low_bits_by_chance(given, self._whose.secret)", "return given", "tests/boundaries/test_smuggling_script.py -k eight_bits"),
    Breach("tensors exactly as declared", "src/rapha/egress/weights.py", 'if "__metadata__" in header:', "if False:", "tests/unit/egress/test_egress_weights.py"),
    Breach("tensors exactly as declared", "src/rapha/egress/weights.py", "if tensor.begin != at:", "if False:", "tests/unit/egress/test_egress_weights.py"),
    Breach("tensors exactly as declared", "src/rapha/egress/weights.py", "if not within:", "if False:", "tests/unit/egress/test_egress_weights.py"),
    Breach("a closed set of figures", "src/rapha/egress/metrics.py", "for figure in figures if _in_range(figure))", "for figure in figures)", "tests/unit/egress/test_egress_metrics.py"),
    Breach("a closed set of figures", "src/rapha/egress/metrics.py", "return min(positives, negatives) >= least", "return max(positives, negatives) >= least", "tests/unit/egress/test_egress_metrics.py"),
    Breach("a site's weight in the average", "src/rapha/egress/metrics.py", '_check(counted, "rows that the node did not count")', "", "tests/boundaries/test_smuggling.py"),
    Breach("weights that remember the patients", "src/rapha/egress/memorisation.py", '"refused" if found or spent or written', '"refused" if spent or written', f"{AUDIT} -k by_heart"),
    Breach("weights that remember the patients", "src/rapha/training/membership.py", "np.where(self._first_had, second, first)", "np.where(self._first_had, first, second)", "tests/unit/training/test_training_membership.py"),
    Breach("a private round without its noise", "src/rapha/training/private.py", "    check.passed()\n", "", "tests/unit/training/test_training_private.py -k another_noise"),
    Breach("a private round without its noise", "src/rapha/egress/memorisation.py", '"refused" if found or spent or written', '"refused" if found or written', f"{AUDIT} -k silently_gone"),
    Breach("no small number of people", "src/rapha/egress/disclosure.py", "if rows - events < threshold <= events:", "if False:", "tests/unit/egress/test_egress_disclosure.py"),
    Breach("no small number of people", "src/rapha/egress/disclosure.py", "    if n < threshold:\n        return Count(below=threshold)\n    least = -(-threshold // base)", "    least = -(-threshold // base)", "tests/unit/egress/test_egress_disclosure.py"),
    Breach("no refusal repeats what the workload", "src/rapha/egress/weights.py", 'f"weights: {extra} more than the {len(declared)} tensors declared"', 'f"weights: {set(header)} are not the tensors declared"', "tests/boundaries/test_egress_canaries.py"),
    Breach("what a site states of its own time", "src/rapha/node/journey.py", "at=coarse(self._clock()))", "at=self._clock())", "tests/unit/node/test_node_told_times.py"),
    Breach("what a site states of its own time", "src/rapha/node/feasibility.py", "at=coarse(now)", "at=now", "tests/unit/node/test_node_feasibility.py -k how_long"),
    Breach("what a site states of its own time", "src/rapha/node/approvals.py", "reason=reason,\n            at=coarse(self._clock())", "reason=reason,\n            at=self._clock()", "tests/unit/node/test_node_told_times.py"),
    Breach("what leaves for a failure is a code", "src/rapha/node/agent.py", "return told(error.reason)", "return str(error)", "tests/unit/node/test_node_agent.py -k may_be_told"),
    Breach("the screen shows no value", "src/rapha/cli/main.py", "({kind}), not something you did", "({error}), not something you did", "tests/unit/cli/test_cli_main.py -k defect"),
    Breach("a hospital's own last layer never leaves", "src/rapha/node/heads.py", "        path.unlink()\n", "", "tests/unit/node/test_node_heads.py"),
    Breach("a hospital's own last layer never leaves", "src/rapha/node/heads.py", "write_synced(part, content)", "write_synced(part, content, 0o644)", "tests/unit/node/test_node_heads.py"),
    # Around a crash
    Breach("hub, agent and sandbox may die", "src/rapha/hub/store/database.py", "            faults.point(f\"hub.to-commit:", "            session.commit()\n            faults.point(f\"hub.to-commit:", "tests/unit/test_faults.py"),
    Breach("the points at which those tests kill", "src/rapha/faults.py", "    if _armed is not None:\n        _armed.passed(name)", "    arm(os.environ)\n    if _armed is not None:\n        _armed.passed(name)", "tests/unit/test_faults.py -k alone"),
    # Into the hospital
    Breach("deny by default", "src/rapha/policy/decide.py", "if condition.holds(facts, rules) is not True:\n                return Refused", "if condition.holds(facts, rules) is False:\n                return Refused", "tests/unit/policy/test_policy_decide.py"),
    Breach("deny by default", "src/rapha/node/approvals.py", "if isinstance(decision, Refused):", "if False:", "tests/unit/node/test_node_approvals.py"),
    Breach("nothing is counted without a yes", "src/rapha/policy/feasibility.py", "if request.researcher not in offered.researchers:", "if False:", "tests/unit/policy/test_policy_feasibility.py"),
    Breach("nothing is counted without a yes", "src/rapha/policy/feasibility.py", "if asked.today >= offered.a_day:", "if asked.today > offered.a_day:", "tests/unit/policy/test_policy_feasibility.py"),
    Breach("nothing is counted without a yes", "src/rapha/node/feasibility.py", "if reason := refusal(self._approvals.request(dispatch, study), rules, standing):", "if reason := None:", "tests/unit/node/test_node_feasibility.py -k name"),
    Breach("questions that differ by one patient", "src/rapha/egress/noise.py", "DEVIATION = 20", "DEVIATION = 2", "tests/unit/egress/test_egress_noise.py"),
    Breach("questions that differ by one patient", "src/rapha/node/feasibility.py", "suppress_noised(exact.events + gaussian(), exact.others + gaussian(), smallest)", "suppress_noised(exact.events, exact.others, smallest)", "tests/unit/node/test_node_feasibility.py -k noise"),
    Breach("a question is not answered with a yes", "src/rapha/hub/dispatches.py", "if asks and (other := session.get_one(StudyRow, row.study_id).asks) != asks:", "if asks and (other := session.get_one(StudyRow, row.study_id).asks) is None:", "tests/unit/hub/test_hub_feasibility.py -k 'yes or number'"),
    Breach("a task touches data only under an approval", "src/rapha/node/approvals.py", "if entry.study.digest != task.study_digest:", "if False:", "tests/unit/node/test_node_approvals.py"),
    Breach("a hub that answers without end", "src/rapha/node/connections.py", "            if len(data) > limit_bytes:", "            if False:", f"{HUB} -k without_end"),
    Breach("a hub that answers without end", "src/rapha/node/connections.py", "        if self.until is not None and time.monotonic() > self.until:", "        if False:", f"{HUB} -k drips"),
    Breach("a hub that names larger weights", "src/rapha/node/transfer.py", "    if size_bytes > limit_bytes:", "    if False:", f"{HUB} -k larger"),
    Breach("a hub cannot send the node elsewhere", "src/rapha/node/hub_line.py", "                if not answer.is_success:", "                if answer.status >= 400:", f"{HUB} -k redirect"),
    Breach("HL7 version 2 text", "src/rapha/sources/hl7v2/messages.py", "any(len(segment) > LONGEST_SEGMENT for segment in held)", "False", "tests/unit/sources/test_hl7v2_rows.py -k hostile"),
    Breach("a FHIR server cannot send the node elsewhere", "src/rapha/sources/fhir_server/line.py", "follow_redirects=False", "follow_redirects=True", f"{FHIR} -k redirect"),
    Breach("a FHIR server cannot send the node elsewhere", "src/rapha/sources/fhir_server/line.py", "if origin_of(url) is None or origin_of(url) != self._own:", "if False:", f"{FHIR} -k state"),
    Breach("a FHIR server's token goes to its own", "src/rapha/sources/fhir_server/line.py", "if needs_token and origin != self._own:", "if False:", f"{FHIR} -k no_token"),
    Breach("a FHIR server's manifest without end", "src/rapha/sources/fhir_server/line.py", "if item.count is not None and lines != item.count:", "if False:", f"{FHIR} -k count"),
    Breach("a FHIR server's manifest without end", "src/rapha/sources/fhir_server/line.py", "if file.tell() > limit:", "if False:", f"{FHIR} -k without_end"),
    # Into the hub
    Breach("a hub with `tls.clients`", "src/rapha/cli/hub_server.py", "ssl.CERT_REQUIRED", "ssl.CERT_OPTIONAL", "tests/boundaries/test_mutual_tls.py -k spoken"),
    Breach("a token that is forged", "src/rapha/hub/identity.py", "self._seen.check_first(claims.site, claims.jti, forget_at, now)", "pass", f"{DOORS} -k once"),
    Breach("a token that is forged", "src/rapha/proof/token.py", 'if claims["aud"] != audience:', "if False:", f"{DOORS} -k something_else"),
    Breach("a token that was used stays used", "src/rapha/hub/seen_tokens.py", "            self._read(file, now)\n", "            pass\n", "tests/unit/hub/test_hub_seen_tokens.py"),
    Breach("a token that was used stays used", "src/rapha/hub/seen_tokens.py", "        if not whole:", "        if False:", "tests/unit/hub/test_hub_seen_tokens.py -k half"),
    Breach("an update that is cut", "src/rapha/hub/tensors.py", "return bool(np.isfinite(block).all())", "return True", UPDATES),
    Breach("an update that is cut", "src/rapha/hub/tasks.py", "if session.get(UploadRow, (blob, site)) is None:", "if False:", f"{UPDATES} -k uploaded"),
    Breach("an update that is cut", "src/rapha/hub/tasks.py", "if task.weights != update.weights_in:", "if False:", f"{UPDATES} -k something_else"),
    Breach("a release that claims other weights", "src/rapha/hub/releases.py", "if getattr(release, field) != value:", "if False:", "tests/unit/hub/test_hub_life.py -k something_else"),
    Breach("a release that claims other weights", "src/rapha/hub/releases.py", "(trace.weights_in, trace.weights_out) != (update.weights_in, update.weights_out)", "False", "tests/unit/hub/test_hub_life.py -k other_weights"),
    Breach("a node fetches the weights", "src/rapha/hub/api/blobs.py", "own.where(StudyRow.researcher == asker.name)", "own", "tests/unit/hub/test_hub_life.py -k nobody_else"),
    Breach("a node fetches the weights", "src/rapha/hub/api/blobs.py", "RoundRow.number == TaskRow.number, TaskRow.site == asker", "RoundRow.number == TaskRow.number", f"{UPDATES} -k fetches"),
    Breach("whatever it is sent, the hub", "src/rapha/hub/api/errors.py", "(NotIdentified, 401)", "(NotIdentified, 418)", "tests/contract/test_contract_api.py -k stranger"),
    Breach("what is killed in the middle", "src/rapha/node/runs.py", "TRIES = 2", "TRIES = 1", "tests/journey/test_journey_bad_days.py -k 'undisturbed or sandbox_killed'"),
    # Of evidence
    Breach("a receipt that was edited", "src/rapha/proof/of_study.py", "if found is not None and found != signed:", "if False:", "tests/vectors/test_vectors_receipts.py"),
    Breach("a receipt that was edited", "src/rapha/proof/verify.py", "if (named := speaker(claim)) != key.owner:", "if (named := speaker(claim)) == '':", "tests/vectors/test_vectors_receipts.py"),
    Breach("in a browser no receipt holds", "src/rapha/proof/page/verify.js", "else if (digest !== signed) throw", "else if (false) throw", "tests/vectors/test_vectors_page_scripts.py"),
    Breach("no receipt is of tier T2", "src/rapha/proof/evidence/amd.py", "    if report.data != bound:", "    if False:", f"{EVIDENCE} {EVIDENCE_TIER}"),
    Breach("no receipt is of tier T2", "src/rapha/proof/evidence/amd.py", "    check_policy(report)\n", "", EVIDENCE),
    Breach("no receipt is of tier T2", "src/rapha/proof/evidence/amd.py", "    check_not_revoked(collateral", "    (collateral", EVIDENCE),
    Breach("no receipt is of tier T2", "src/rapha/proof/evidence/amd.py", "    check_signature(report, signer)\n", "", f"{EVIDENCE_TIER} -k every_byte"),
    Breach("no receipt is of tier T2", "src/rapha/proof/evidence/amd.py", "    check_issued(intermediate, root)\n", "", EVIDENCE),
    Breach("no receipt is of tier T2", "src/rapha/proof/evidence/appraise.py", "        if not pinned:", "        if False:", EVIDENCE_TIER),
    Breach("no receipt is of tier T2", "src/rapha/proof/evidence/appraise.py", "    if not named:", "    if False:", EVIDENCE),
    Breach("no receipt is of tier T2", "src/rapha/proof/evidence/report.py", "if any(r[SCALAR_BYTES:] + s[SCALAR_BYTES:] + rest):", "if False:", EVIDENCE),
    Breach("the checking page reaches no network", "src/rapha/proof/page/__init__.py", "connect-src 'none'", "connect-src *", "tests/unit/proof/test_proof_page.py"),
    Breach("the checking page reaches no network", "src/rapha/proof/page/__init__.py", '.replace("<", "\\\\u003c")', "", "tests/unit/proof/test_proof_page.py"),
    Breach("the log neither forks nor loses", "src/rapha/hub/log_keeper.py", "            self._checkpoint, self._edge = self._opened()\n            raise\n", "            raise\n", "tests/unit/hub/test_hub_log_keeper.py"),
    Breach("the log neither forks nor loses", "src/rapha/hub/log_keeper.py", "*paths, last = files", "last, *paths = files", "tests/unit/hub/test_hub_log_keeper.py"),
    Breach("a key follows another", "src/rapha/proof/key_change.py", '_OF_THEMSELVES = ("node", "hub")', '_OF_THEMSELVES = ("node",)', "tests/vectors/test_vectors_key_changes.py"),
    Breach("a key follows another", "src/rapha/proof/key_change.py", "    accepted.check_signed_by(following, {})", "    pass", "tests/boundaries/test_hostile_key_changes.py"),
    Breach("a key follows another", "src/rapha/proof/key_change.py", "    _check_unbroken(walk)\n    return", "    return", "tests/vectors/test_vectors_key_changes.py"),
    Breach("a key follows another", "src/rapha/proof/key_change.py", "listed.get((said.role, made.keyid)) or made", "made", "tests/boundaries/test_hostile_key_changes.py"),
    Breach("a key follows another", "src/rapha/proof/succession.py", 'if key.role == "hub" and place is not None and index > place:', "if False:", "tests/vectors/test_vectors_key_changes.py"),
    Breach("a key follows another", "src/rapha/proof/succession.py", "and (index <= place or end)", "", "tests/boundaries/test_hostile_key_changes.py"),
    Breach("a hub does not sign with a key", "src/rapha/hub/own_keys.py", "if any(key.role not in under_way for key in back):", "if False:", "tests/unit/hub/test_hub_own_key.py"),
    Breach("an entry of the log that was edited", "src/rapha/proof/tiles.py", 'if ".p/" not in path and fetch(path) != data:', "if False:", "tests/unit/proof/test_proof_tiles.py"),
    Breach("a log that was rewritten does not", "src/rapha/proof/merkle.py", "if last or was != old_root or now != new_root:", "if last or now != new_root:", "tests/unit/proof/test_proof_merkle.py"),
    Breach("a second line of a witness", "src/rapha/proof/lasting.py", "+ short(checkpoint.origin) + start", "+ start", "tests/unit/proof/test_proof_lasting.py"),
    Breach("a second line of a witness", "src/rapha/proof/logged.py", "    if len(seen) < known.ml_dsa_at_least:", "    if False:", "tests/unit/proof/test_proof_lasting.py tests/unit/hub/test_hub_witnessed.py"),
    Breach("a log's own second line", "src/rapha/proof/logged.py", "    if known.log_ml_dsa and not found:", "    if False:", "tests/unit/hub/test_hub_log_keys.py tests/unit/cli/test_cli_public_log.py"),
    Breach("a log's own second line", "src/rapha/proof/logged.py", "            if not left:", "            if False:", "tests/unit/hub/test_hub_log_keys.py"),
    Breach("a witness cosigns no log", "src/rapha/proof/witness.py", "check_consistency(seen.size, seen.root, request.checkpoint.size, request.checkpoint.root, request.proof)", "pass", "tests/unit/witness/test_witness.py"),
    Breach("a witness cosigns no log", "src/rapha/witness/home.py", "if not any(_signed_by(checkpoint, log) for log in mine):", "if False:", "tests/unit/witness/test_witness.py"),
    Breach("a log that was rewritten after it was anchored", "src/rapha/cli/public_log.py", "if root(shown.size, reader.node) != shown.root:", "if False:", "tests/unit/cli/test_cli_public_log.py"),
    Breach("a log that was rewritten after it was anchored", "src/rapha/proof/anchor/verify.py", "or events[proof.event] != _said(proof)", "", "tests/unit/proof/test_proof_anchor.py"),
    Breach("a proof of OpenTimestamps shows nothing but", "src/rapha/proof/anchor/bitcoin.py", "if branch.message == header.root}", "}", "tests/vectors/test_vectors_stamps.py"),
    Breach("a proof of OpenTimestamps shows nothing but", "src/rapha/proof/anchor/bitcoin.py", "if int.from_bytes(hashed, \"little\") > target:", "if False:", "tests/vectors/test_vectors_stamps.py"),
    Breach("a proof of OpenTimestamps shows nothing but", "src/rapha/proof/anchor/opentimestamps.py", "if len(waiting) + len(found) > MAX_BRANCHES:", "if False:", "tests/vectors/test_vectors_stamps.py"),
    Breach("no address is asked because a proof", "src/rapha/hub/anchors/calendars.py", "if address in self._addresses:", "if True:", "tests/unit/hub/test_hub_calendars.py"),
    Breach("an anchor that does not fit the log", "src/rapha/hub/explorer/anchors.py", "and root(shown.size, reader.node) == shown.root", "", "tests/unit/hub/test_hub_explorer_anchors.py"),
    Breach("no first round is done on a cohort before", "src/rapha/node/journey.py", "        self._freezes.log(approval, run.frozen, task)\n", "", "tests/unit/node/test_node_freezes.py"),
    Breach("no first round is done on a cohort before", "src/rapha/node/freezes.py", "            check_logged(receipt, logged)\n", "", "tests/unit/node/test_node_freezes.py"),
    Breach("where a receipt names a freeze", "src/rapha/proof/freeze.py", "if frozen.patients_root != release.cohort.patients_root:", "if False:", "tests/vectors/test_vectors_receipts.py"),
    Breach("where a receipt names a freeze", "src/rapha/proof/freeze.py", "if max(logged.places) >= min(seen.places):", "if False:", "tests/vectors/test_vectors_receipts.py"),
    Breach("where a receipt names a freeze", "src/rapha/hub/freezes.py", "    if len(given) > 1 or any(task.state not in OPEN or Task.from_bytes(task.task).weights for task in given):", "    if False:", "tests/unit/hub/test_hub_freezes.py"),
    Breach("a refusal is in the log once", "src/rapha/hub/refusals.py", "DispatchRow.id.not_in(logged))", "DispatchRow.id.is_not(None))", "tests/unit/hub/test_hub_refusals_logged.py"),
    Breach("a node vouches for no other", "src/rapha/proof/escrow/voucher.py", "or claim.release.study_digest != study.digest:", ":", "tests/unit/proof/test_proof_escrow.py"),
    Breach("a node vouches for no other", "src/rapha/proof/escrow/voucher.py", "    check_deposit(deposit, study, custodian, public)\n", "", "tests/unit/proof/test_proof_escrow.py"),
    Breach("`/log/` gives out files", "src/rapha/hub/log_keeper.py", "if not PATH.fullmatch(path):", "if False:", "tests/unit/hub/test_hub_log_keeper.py -k only_files"),
    Breach("every leaf of a statement counts", "src/rapha/proof/statement.py", "    if not alike:", "    if False:", "tests/unit/proof/test_proof_statement.py"),
    Breach("a token that is forged, stale, for another hub", "src/rapha/proof/token.py", "    if present > expires + LEEWAY_SECONDS:", "    if False:", "tests/unit/proof/test_proof_token.py"),
)
# fmt: on

ELSEWHERE = {
    "one publisher, sizes that only grow": "tests/interop/test_interop_chain.py needs a chain of its own",
    "coin in escrow goes to the payees": "tests/interop/test_interop_escrow_mutants.py takes out each refusal",
}
"""Rows whose breach is tried by another test, or could be only with what this machine may not have."""
