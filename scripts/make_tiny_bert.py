"""Write a tiny BERT with random weights, in the layout of a real model folder, for tests that must not download anything.

Usage: python make_tiny_bert.py OUT_DIR    (needs onnx and numpy; only to regenerate the fixture)

One layer, 32 dimensions, 256 positions, weights as external data like the real one's. Inputs and output are those of all-MiniLM-L6-v2:
input_ids, attention_mask, token_type_ids [batch, seq] -> last_hidden_state [batch, seq, 32].
"""
import json, os, string, sys
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

out = sys.argv[1]
DIM, HEADS, FFN, POSITIONS, LAYERS = 32, 2, 48, 256, 1
HEAD = DIM // HEADS

special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
letters = list(string.ascii_lowercase + string.digits + string.punctuation + "αβγδεζηθικλμνξοπρστυφχψωςабвгдежз返品漢字の日本語שלוםعםกข。、’“”—…")
pieces = ["the", "of", "and", "to", "in", "is", "are", "with", "return", "invoice", "article", "number", "call", "text", "long", "word", "more"]
suffixes = ["##" + s for s in letters if s.isalnum()] + ["##ing", "##ed", "##er", "##est", "##s", "##tion", "##ly", "##ment", "##ness"]
tokens = list(dict.fromkeys(special + letters + pieces + suffixes))
vocab = {token: i for i, token in enumerate(tokens)}

rng = np.random.default_rng(20260101)
initializers = []


def weight(name, *shape, scale=0.4):
    initializers.append(numpy_helper.from_array(rng.normal(0, scale, shape).astype(np.float32), name))
    return name


def constant(name, value, dtype=np.float32):
    initializers.append(numpy_helper.from_array(np.array(value, dtype), name))
    return name


nodes = []


def node(op, inputs, output, **attributes):
    nodes.append(helper.make_node(op, inputs, [output], **attributes))
    return output


def layer_norm(x, name):
    gain = constant(f"{name}.gain", np.ones(DIM))
    bias = weight(f"{name}.bias", DIM, scale=0.05)
    return node("LayerNormalization", [x, gain, bias], f"{name}.out", axis=-1, epsilon=1e-12)


def linear(x, name, n_in, n_out):
    product = node("MatMul", [x, weight(f"{name}.weight", n_in, n_out, scale=n_in**-0.5)], f"{name}.product")
    return node("Add", [product, weight(f"{name}.bias", n_out, scale=0.05)], f"{name}.out")


zero, one = constant("zero", 0, np.int64), constant("one", 1, np.int64)
axis0, axis12 = constant("axis0", [0], np.int64), constant("axes12", [1, 2], np.int64)
words = node("Gather", [weight("words", len(vocab), DIM), "input_ids"], "words.out")
types = node("Gather", [weight("types", 2, DIM), "token_type_ids"], "types.out")
length = node("Gather", [node("Shape", ["input_ids"], "shape"), one], "length")
positions = node("Gather", [weight("positions", POSITIONS, DIM, scale=0.1), node("Range", [zero, length, one], "range")], "positions.out")
x = node("Add", [node("Add", [words, types], "sum.types"), positions], "sum.positions")
x = layer_norm(x, "embedding.norm")

mask = node("Cast", ["attention_mask"], "mask.float", to=TensorProto.FLOAT)
mask = node("Mul", [node("Sub", [constant("one.float", 1.0), mask], "mask.inverse"), constant("far", -1e9)], "mask.scaled")
mask = node("Unsqueeze", [mask, axis12], "mask.out")
heads_shape = constant("heads.shape", [0, 0, HEADS, HEAD], np.int64)
flat_shape = constant("flat.shape", [0, 0, DIM], np.int64)
scale = constant("scale", HEAD**-0.5)

for layer in range(LAYERS):
    p = f"layer{layer}"

    def heads(kind, permutation):
        projected = node("Reshape", [linear(x, f"{p}.{kind}", DIM, DIM), heads_shape], f"{p}.{kind}.heads")
        return node("Transpose", [projected], f"{p}.{kind}.transposed", perm=permutation)

    scores = node("MatMul", [heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1])], f"{p}.scores")
    scores = node("Add", [node("Mul", [scores, scale], f"{p}.scaled"), mask], f"{p}.masked")
    attended = node("MatMul", [node("Softmax", [scores], f"{p}.probabilities", axis=-1), heads("value", [0, 2, 1, 3])], f"{p}.attended")
    joined = node("Reshape", [node("Transpose", [attended], f"{p}.back", perm=[0, 2, 1, 3]), flat_shape], f"{p}.joined")
    x = layer_norm(node("Add", [x, linear(joined, f"{p}.output", DIM, DIM)], f"{p}.residual1"), f"{p}.norm1")
    hidden = node("Relu", [linear(x, f"{p}.up", DIM, FFN)], f"{p}.relu")
    x = layer_norm(node("Add", [x, linear(hidden, f"{p}.down", FFN, DIM)], f"{p}.residual2"), f"{p}.norm2")
node("Identity", [x], "last_hidden_state")

inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "seq"]) for n in ("input_ids", "attention_mask", "token_type_ids")]
output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "seq", DIM])
graph = helper.make_graph(nodes, "tiny-bert", inputs, [output], initializers)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
os.makedirs(f"{out}/onnx", exist_ok=True)
onnx.save(model, f"{out}/onnx/model.onnx", save_as_external_data=True, location="model.onnx_data", size_threshold=512)

config = {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": DIM, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
          "intermediate_size": FFN, "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "vocab_size": len(vocab), "pad_token_id": 0}
tokenizer = {
    "version": "1.0", "truncation": None, "padding": None,
    "added_tokens": [{"id": vocab[t], "special": True, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False} for t in special],
    "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
        "pair": [],
        "special_tokens": {t: {"id": t, "ids": [vocab[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")},
    },
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocab},
}
tokenizer_config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": POSITIONS,
                    "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
for name, value in (("config", config), ("tokenizer", tokenizer), ("tokenizer_config", tokenizer_config)):
    with open(f"{out}/{name}.json", "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
        file.write("\n")
