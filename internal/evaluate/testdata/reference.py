"""Writes metrics.json: random rankings and judgements, and what trec_eval's own code says of them.

pip install pytrec-eval-terrier==0.5.11; python reference.py > metrics.json
"""
import json, random, pytrec_eval

random.seed(7)
documents = [f"d{i}" for i in range(150)]
cases = []
for q in range(40):
    judged = random.sample(documents, random.randint(1, 25))
    qrels = {d: random.choice([0, 1, 1, 2, 3]) for d in judged}
    if not any(qrels.values()):
        qrels[judged[0]] = 1
    ranking = random.sample(documents, random.choice([0, 1, 5, 10, 60, 120]))
    measures = {}
    for depth in (10, 100):
        run = {"q": {d: float(1000 - i) for i, d in enumerate(ranking)}}
        cut = {"q": {d: float(1000 - i) for i, d in enumerate(ranking[:depth])}}
        if not ranking:
            run = cut = None
        if run is None:
            names = ["ndcg@10", "success@1", "mrr@10", "map@10", "recall@10", "map@100", "recall@100"]
            measures = {n: 0.0 for n in names}
            break
        e = pytrec_eval.RelevanceEvaluator({"q": qrels}, {f"ndcg_cut.{depth}", f"map_cut.{depth}", f"recall.{depth}", "success.1"}).evaluate(run)["q"]
        r = pytrec_eval.RelevanceEvaluator({"q": qrels}, {"recip_rank"}).evaluate(cut)["q"]
        measures[f"map@{depth}"], measures[f"recall@{depth}"] = e[f"map_cut_{depth}"], e[f"recall_{depth}"]
        if depth == 10:
            measures["ndcg@10"], measures["success@1"], measures["mrr@10"] = e["ndcg_cut_10"], e["success_1"], r["recip_rank"]
    cases.append({"ranking": ranking, "relevant": {d: g for d, g in qrels.items() if g > 0}, "measures": measures})
print(json.dumps(cases, indent=0))
