rule measure:
    input:
        tiles=read("measure", "results/{dataset}/tiles/prepare.json"),
        fused=read("measure", "results/{dataset}/{row}/seed{seed}/fused.npy"),
        record=read("measure", "results/{dataset}/{row}/seed{seed}/fused.json"),
    output:
        table=report(
            "results/{dataset}/{row}/seed{seed}/scores.csv",
            caption="../report/scores.rst",
            category="Values",
        ),
        record="results/{dataset}/{row}/seed{seed}/scores.json",
    log:
        "logs/measure/{dataset}.{row}.seed{seed}.log",
    group:
        group_of
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        asked=asked("measure"),
        folder=subpath(input.tiles, parent=True),
        metrics=lambda wildcards: BENCHMARK.metrics(wildcards.dataset),
        stretches=stretches_of,
        measuring=rule_of,
    shell:
        "python -P -m harness.stages.measure --tiles {params.folder} --fused {input.fused}"
        " --dataset {wildcards.dataset} --method {wildcards.row} --seed {wildcards.seed}"
        " --metrics {params.metrics} --stretch {params.stretches} {params.measuring} --threads {threads}"
        " --asked {params.asked:q} --output {output.table} > {log} 2>&1"


localrules:
    baselines,
    ablation,


rule baselines:
    input:
        scores_of("baseline", "control"),


rule ablation:
    input:
        scores_of("proposed", "ablation"),
