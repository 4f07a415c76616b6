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


rule learning:
    input:
        tiles=read("learning", "results/{dataset}/tiles/prepare.json"),
        fused=read("learning", "results/{dataset}/{row}/seed{seed}/fused.npy"),
        images=read("learning", "results/{dataset}/{row}/seed{seed}/fused.json"),
        weights=read("learning", lambda wildcards: trained(wildcards, "checkpoint.pt")),
        training=read("learning", lambda wildcards: trained(wildcards, "training.json")),
    output:
        table=report(
            "results/{dataset}/{row}/seed{seed}/held_out.csv",
            caption="../report/learning.rst",
            category="Training",
        ),
        learned="results/{dataset}/{row}/seed{seed}/learned.json",
        record="results/{dataset}/{row}/seed{seed}/learning.json",
    log:
        "logs/learning/{dataset}.{row}.seed{seed}.log",
    wildcard_constraints:
        row=RUN_FUSED,
    group:
        "learning"
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=gpu_of,
        timeout=TIMEOUT,
        include=INCLUDE,
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        asked=asked("learning"),
        folder=subpath(input.tiles, parent=True),
        method=lambda wildcards: spec_of(wildcards).name,
        options=lambda wildcards: as_json(spec_of(wildcards).options),
        trained=lambda wildcards, input: (
            f"--checkpoint {input.weights}" if input.weights else ""
        ),
        device=DEVICE,
    shell:
        "python -P -m harness.stages.learning --tiles {params.folder} --method {params.method}"
        " --options {params.options:q} --fused {input.fused} {params.trained}"
        " {resources.timeout} {resources.include} --seed {wildcards.seed}"
        " --device {params.device} --threads {threads}"
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
