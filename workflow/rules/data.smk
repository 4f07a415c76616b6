rule prepare:
    input:
        read("prepare"),
    output:
        "results/{dataset}/tiles/train.npy",
        "results/{dataset}/tiles/test.npy",
        "results/{dataset}/tiles/manifest.csv",
        report(
            "results/{dataset}/tiles/dataset.json",
            caption="../report/data.rst",
            category="Data",
        ),
        record="results/{dataset}/tiles/prepare.json",
    log:
        "logs/prepare/{dataset}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        mirrors=MIRRORS,
        include=INCLUDE,
        examples=lambda wildcards: examples_of(wildcards.dataset),
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        asked=asked("prepare"),
        adapter=lambda wildcards: BENCHMARK.adapter_name(wildcards.dataset),
        options=lambda wildcards: as_json(BENCHMARK.dataset_options(wildcards.dataset)),
        tiling=lambda wildcards: tiling_of(wildcards.dataset),
        folder=subpath(output.record, parent=True),
    shell:
        "python -P -m harness.stages.prepare --adapter {params.adapter}"
        " --options {params.options:q}"
        " {params.tiling}"
        " {resources.mirrors} {resources.include} {resources.examples} --jobs {threads} --asked {params.asked:q} --output {params.folder} > {log} 2>&1"


localrules:
    data,


rule data:
    input:
        expand("results/{dataset}/tiles/prepare.json", dataset=BENCHMARK.datasets),
