"""Runs where transformers and peft are: reads a base and an adapter as they do, and says on standard output what they make of a text.

python peft_adapter.py FOLDER_OF_HF FOLDER_OF_ADAPTER SITE_PACKAGES_WITH_TORCH < {"texts": [...]}    gives {"tokens": [...], "base": [...], "adapted": [...]}
"""

import json
import os
import sys

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

sys.path.append(sys.argv[3])

import torch
from peft import PeftModel
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

folder, adapter = sys.argv[1:3]
texts = json.load(sys.stdin)["texts"]
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokens = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def logits(of):
    with torch.inference_mode():
        return [of(input_ids=torch.tensor([[0, *each][:64]])).logits[0, -1].double().tolist() for each in tokens]


before = logits(model)
after = logits(PeftModel.from_pretrained(model, adapter).eval())
json.dump({"tokens": tokens, "base": before, "adapted": after}, sys.stdout)
