rule tables:
    input:
        scores=read("tables", scores_of()),
        learning=read("tables", learning_of()),
    output:
        index=report(
            "results/tables/index.csv",
            caption="../report/tables.rst",
            category="Tables",
        ),
        record="results/tables/tables.json",
    log:
        "logs/tables.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        asked=asked("tables"),
        plan=plan,
        folder=subpath(output.index, parent=True),
    shell:
        "python -P -m reports.stages.tables --plan {params.plan:q}"
        " --asked {params.asked:q} --output {params.folder} > {log} 2>&1"


rule examples:
    input:
        scores=read("examples", scores_of()),
        learning=read("examples", learning_of()),
    output:
        report(
            expand("results/{dataset}/examples.json", dataset=BENCHMARK.datasets),
            caption="../report/examples.rst",
            category="Figures",
        ),
        record="results/examples.json",
    log:
        "logs/examples.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        asked=asked("examples"),
        plan=plan,
    shell:
        "python -P -m reports.stages.examples --plan {params.plan:q}"
        " --asked {params.asked:q} --output results > {log} 2>&1"


rule features:
    input:
        tiles=read("features", "results/{dataset}/tiles/prepare.json"),
        examples=read("features", "results/{dataset}/examples.json"),
        weights=read("features", lambda wildcards: trained(wildcards, "checkpoint.pt")),
    output:
        features="results/{dataset}/{row}/seed{seed}/features.npz",
        record=report(
            "results/{dataset}/{row}/seed{seed}/features.json",
            caption="../report/features.rst",
            category="Records",
        ),
    log:
        "logs/features/{dataset}.{row}.seed{seed}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=gpu_of,
        include=INCLUDE,
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        asked=asked("features"),
        folder=subpath(input.tiles, parent=True),
        method=lambda wildcards: spec_of(wildcards).name,
        options=lambda wildcards: as_json(spec_of(wildcards).options),
        device=DEVICE,
    shell:
        "python -P -m harness.stages.features --tiles {params.folder} --method {params.method}"
        " --options {params.options:q} {resources.include} --checkpoint {input.weights}"
        " --examples {input.examples} --seed {wildcards.seed} --device {params.device}"
        " --threads {threads} --asked {params.asked:q} --output {output.features} > {log} 2>&1"


rule audit:
    input:
        scores=read("audit", scores_of()),
        learning=read("audit", learning_of()),
    output:
        table=report(
            "results/{dataset}/audit.csv",
            caption="../report/audit.rst",
            category="Tables",
        ),
        record="results/{dataset}/audit.json",
    log:
        "logs/audit/{dataset}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        asked=asked("audit"),
        plan=plan,
    shell:
        "python -P -m reports.stages.audit --plan {params.plan:q}"
        " --asked {params.asked:q} --output {output.table} > {log} 2>&1"


rule report:
    input:
        scores=read("report", scores_of()),
        learning=read("report", learning_of()),
        audit=read(
            "report", expand("results/{dataset}/audit.csv", dataset=BENCHMARK.datasets)
        ),
        features=read("report", features_of()),
        tables=read("report", "results/tables/index.csv"),
    output:
        page=report(
            "results/report/index.html",
            caption="../report/page.rst",
            category="Report",
        ),
        figures=report(
            directory("results/report/figures"),
            caption="../report/figures.rst",
            category="Figures",
            patterns=["{name}.png"],
        ),
        tiles=directory("results/report/tiles"),
        record="results/report/index.json",
    log:
        "logs/report.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        asked=asked("report"),
        plan=plan,
    shell:
        "python -P -m reports.stages.report --plan {params.plan:q}"
        " --asked {params.asked:q} --output {output.page} > {log} 2>&1"


rule complete:
    input:
        scores=read("complete", scores_of()),
        learning=read("complete", learning_of()),
        # The page shows the failures first; then they are cleared for the next run.
        report=read("complete", "results/report/index.html"),
    output:
        text=report(
            "results/report/complete.txt",
            caption="../report/complete.rst",
            category="Report",
        ),
        record="results/report/complete.json",
    log:
        "logs/complete.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        asked=asked("complete"),
        plan=plan,
    shell:
        "python -P -m reports.stages.complete --plan {params.plan:q}"
        " --asked {params.asked:q} --output {output.text} > {log} 2>&1"
