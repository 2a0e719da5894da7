"""The official SQuAD scorers, loaded from a checkout of github.com/huggingface/evaluate."""
import importlib.util
import pathlib


def load(checkout, metric):
    """metric: "squad" (evaluate-v1.1.py) or "squad_v2" (evaluate-v2.0.py)."""
    path = pathlib.Path(checkout) / "metrics" / metric / "compute_score.py"
    spec = importlib.util.spec_from_file_location(f"official_{metric}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def v2(module, articles, predictions, probabilities=None, threshold=1.0):
    """What main() of evaluate-v2.0.py prints, for data that has both kinds of questions."""
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
    return result
