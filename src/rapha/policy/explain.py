"""A reason code, for a person: what happened, what to do. Codes travel; the sentence is made where it is read."""

from rapha.records.release import ReasonCode

SENTENCES: dict[ReasonCode, str] = {
    "modality-not-offered": "The hospital does not offer this kind of data. Ask for data it offers, or name other "
    "sites.",
    "purpose-not-allowed": "The hospital's rules do not permit this purpose. Check `purpose.data_use`, or ask the "
    "steward whether the purpose may be added to the rules.",
    "data-use-not-met": "The hospital's data are under a GA4GH DUO condition that the study does not state. Compare the site's "
    "profile with `purpose.data_use`: `rapha study profiles`.",
    "policy-not-met": "The hospital has a policy of its own (`cedar` in its rules), which does not permit the study. Ask the "
    "steward what it asks for.",
    "too-many-runs": "This researcher has run as many studies of this purpose as the hospital's rules allow for one project. Ask "
    "the steward.",
    "outside-hours": "The hospital's rules let work touch data at certain hours only, and they ended. Raise "
    "`training.deadline_minutes`, or submit the study again.",
    "researcher-not-allowed": "The hospital's rules do not name this researcher. Ask the steward to add the name "
    "exactly as the hub writes it.",
    "architecture-not-allowed": "The hospital's rules do not permit this model. Choose a permitted one, or ask the "
    "steward.",
    "mode-not-offered": "The hospital's rules do not offer this release mode (`modes`): without a word there, a researcher's own script "
    "does not run. Use a declared architecture or an exported graph, or ask the steward.",
    "script-not-loaded": "The study's script could not be read in the hospital's sandbox: it does not compile, fails as it is imported, or "
    "has no `train`. `rapha study rehearse` shows it.",
    "script-failed": "The study's script failed, or gave back what is no table of arrays. What it said stays with the steward; "
    "`rapha study rehearse` runs it on made-up rows.",
    "minimum-cohort-too-low": "The study would work with smaller groups than the hospital permits. Raise "
    "`privacy.min_cohort`.",
    "unknown-concept": "A concept of the study has no codes in this hospital's records. Check `concepts` against the "
    "site's profile.",
    "no-hierarchy": "The study asks for all codes below one, and this hospital's vocabulary does not say which they are. "
    "Write the codes out, or ask the hospital to read in a vocabulary with its hierarchy.",
    "unknown-unit": "No number of a concept at this hospital is in the study's unit, or in one that it converts. Add the "
    "conversion under `convert` of the concept, or ask what the hospital's units mean.",
    "mixed-units": "The numbers of a concept are in more than one unit at this hospital. State the concept's `unit`, and "
    "the others under `convert`.",
    "cohort-empty": "No patient of this hospital fits the cohort. Loosen the criteria, or leave the site out.",
    "cohort-too-small": "Too few patients of this hospital fit the cohort. Loosen the criteria, or leave the site out.",
    "too-few-events": "Too few patients of the cohort have, or have not, the outcome. Widen its window or concepts.",
    "steward-denied": "A steward of the hospital said no. Ask the hospital; the reason stays there.",
    "policy-changed": "The hospital's rules changed after it approved. Submit the study again.",
    "study-changed": "The study is not the one the hospital approved. Submit it again, unaltered.",
    "not-approved": "Nobody entitled to has approved the study at this hospital. Wait for the steward, or submit it "
    "again.",
    "not-yet-possible": "The site's version of the software cannot do what the study asks. Update the site, or ask for "
    "less.",
    "sandbox-unavailable": "The hospital's machine cannot isolate the workload, so nothing ran. Run `rapha doctor` "
    "there: it says what is missing.",
    "sandbox-layer-missing": "The hospital's machine isolates, but lacks a layer that its rules demand, so nothing ran. "
    "`rapha node selftest` there shows which.",
    "sandbox-died": "The workload's sandbox ended before it answered. Look at its log on the node; memory and time "
    "limits are the usual cause.",
    "training-failed": "The training could not be done. Try a smaller learning rate or a simpler model; the details "
    "are in the node's log.",
    "weights-unreadable": "The weights are not a well-formed safetensors file. Nothing was accepted; submit the study "
    "again, and report it if it recurs.",
    "not-finite": "The output holds a value that is infinite, not a number, or far beyond any sensible weight. Lower "
    "the learning rate.",
    "wrong-shape": "A tensor has another shape than the study declares. The workload and the node may be of different "
    "versions: run `rapha doctor`.",
    "wrong-dtype": "A tensor has another number type than the study declares. The workload and the node may be of "
    "different versions: run `rapha doctor`.",
    "missing-tensor": "A tensor that the study declares is not there. The workload and the node may be of different "
    "versions: run `rapha doctor`.",
    "extra-tensor": "The output holds a tensor, or a text, that the study does not declare. Nothing of it left; treat "
    "the workload with suspicion.",
    "output-malformed": "The workload's output is not the plain file that was expected. Nothing of it left; look at "
    "the node's log.",
    "output-too-large": "The workload's output is larger than the study declares. Nothing of it left; look at "
    "the node's log.",
    "metric-not-allowed": "The workload gave a figure that is not of the closed set. Nothing of it left; use the "
    "built-in metrics.",
    "budget-not-offered": "The hospital's rules name no privacy budget (`privacy: {lifetime_epsilon, lifetime_delta}`), so "
    "no study can spend of it. Ask the steward to set one.",
    "budget-exhausted": "The study would take the hospital's patients past the privacy budget of its rules. Ask for a "
    "smaller epsilon or delta, or ask the steward.",
    "round-already-left": "This round's update has left the hospital once, from other weights; with differential privacy, "
    "of a script and of a GWAS it does not leave twice. Submit the study again.",
    "kept-state-lost": "What the hospital keeps of its own from round to round is not there any more: its node may have been restored "
    "from a backup. Submit the study again.",
    "noise-missing": "The noise that differential privacy needs was not in the weights, so they did not leave. Report it.",
    "graph-refused": "The model's graph is not as `rapha.export_model` writes it, or its base not as `rapha.pack_base` does, so it was "
    "not run. Write it again; `rapha study check` says what is wrong with it.",
    "operator-not-allowed": "The model's graph uses an operator that is not on the trainer's list. `rapha study check` names it; say "
    "the same in other layers.",
    "graph-mismatch": "The model's graph, or its base, has not the inputs or tensors that the study states. Export it again for this "
    "study, and submit it anew.",
    "patients-remembered": "The audit found that the model knows patients it learned from better than others, so it did not "
    "leave. Train for fewer epochs, a smaller model, with more `weight_decay`, or with differential privacy.",
    "feasibility-not-offered": "The hospital's rules let nobody ask for counts without a study (`feasibility`). Read its profile, "
    "submit the study, or ask the steward.",
    "asked-too-often": "The hospital has answered as many questions as its rules allow for a day. Ask again tomorrow.",
    "answers-used-up": "The hospital has given as many counts as its rules allow for ever. Read its profile, submit the study, or "
    "ask the steward.",
    "disk-full": "The disk is full. Free some space in the folder named in the log; the work goes on by itself.",
    "hub-unreachable": "The hub did not answer. The node tries again by itself; check the network if it lasts.",
    "deadline": "The site did not answer before the round's deadline. Raise `training.deadline_minutes`, or look "
    "whether the node runs.",
    "cancelled": "The researcher withdrew the study. Nothing is left to do.",
    "internal": "Something broke that should not have, and the safe answer is no. Look at the log and report it.",
}


def explain(reason: ReasonCode) -> str:
    """One plain sentence, and what to do."""
    return SENTENCES[reason]
