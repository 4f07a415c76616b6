rule train:
    input:
        tiles="results/{dataset}/tiles/prepare.json",
        code=code_of("harness.stages.train"),
        method=method_code,
    output:
        weights="results/{dataset}/{row}/seed{seed}/checkpoint.pt",
        record="results/{dataset}/{row}/seed{seed}/training.json",
        losses="results/{dataset}/{row}/seed{seed}/training_log.csv",
    log:
        "logs/train/{dataset}.{row}.seed{seed}.log",
    params:
        folder=subpath(input.tiles, parent=True),
        options=lambda wildcards: options_of(method_of(wildcards)),
        recipe=lambda wildcards: as_json(BENCHMARK.methods[method_of(wildcards)].train),
        device=DEVICE,
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPUS,
    shell:
        "python -m harness.stages.train --tiles {params.folder} --method {wildcards.row}"
        " --options {params.options:q} --recipe {params.recipe:q} --seed {wildcards.seed}"
        " --device {params.device} --threads {threads}"
        " --output {output.weights} > {log} 2>&1"
