"""The official scorers, loaded from checkouts: github.com/huggingface/evaluate has SQuAD's, facebookresearch/MLQA its own."""
import importlib.util
import pathlib
import sys
import types


def load(checkout, metric):
    """metric: "squad" (evaluate-v1.1.py) or "squad_v2" (evaluate-v2.0.py)."""
    return _load(pathlib.Path(checkout) / "metrics" / metric / "compute_score.py", f"official_{metric}")


def load_mlqa(checkout):
    """mlqa_evaluation_v1.py."""
    return _load(pathlib.Path(checkout) / "mlqa_evaluation_v1.py", "official_mlqa")


def _load(path, name):
    try:
        import numpy  # noqa: F401
    except ImportError:
        # The v2.0 script wants it for its histograms, which nobody asks for here.
        sys.modules["numpy"] = types.ModuleType("numpy")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def v2(module, articles, predictions, probabilities=None, threshold=1.0):
    """What main() of evaluate-v2.0.py prints with --out-image-dir, for data that has both kinds of questions."""
    # The checkout's copy wants answers as the Hub stores them: one object of lists.
    articles = [
        {"paragraphs": [
            {"qas": [dict(qa, answers={"text": [a["text"] for a in qa["answers"]]}) for qa in paragraph["qas"]]}
            for paragraph in article["paragraphs"]
        ]}
        for article in articles
    ]
    given = probabilities is not None
    probabilities = probabilities if given else {k: 0.0 for k in predictions}
    has_answer = module.make_qid_to_has_ans(articles)
    answered = [k for k, v in has_answer.items() if v]
    unanswered = [k for k, v in has_answer.items() if not v]
    exact_raw, f1_raw = module.get_raw_scores(articles, predictions)
    exact = module.apply_no_ans_threshold(exact_raw, probabilities, has_answer, threshold)
    f1 = module.apply_no_ans_threshold(f1_raw, probabilities, has_answer, threshold)
    result = module.make_eval_dict(exact, f1)
    for name, ids in (("HasAns", answered), ("NoAns", unanswered)):
        module.merge_eval(result, module.make_eval_dict(exact, f1, qid_list=ids), name)
    if given:
        module.find_all_best_thresh(result, predictions, exact_raw, f1_raw, probabilities, has_answer)
    # The precision-recall analysis stops with a KeyError at an id that is no question.
    if given and probabilities.keys() <= has_answer.keys():
        module.plot_pr_curve = lambda *_: None
        module.run_precision_recall_analysis(result, exact_raw, f1_raw, probabilities, has_answer, ".")
    return result
