"""The researcher: a study file in, a model folder out.

study_file.py    YAML -> Study: marked_yaml.py (lines), vocabulary.py (words), study_faults.py (every fault in words)
words.py         a study in a clinician's words
client.py        what can be asked of a hub; answers.py what its refusals and silences mean
delivery.py      the model folder, whole and checked; about.py its config and model card
report/          report.html
folder.py        a model folder as its verifier reads it
load.py          a ready model, once its receipts are verified
"""
