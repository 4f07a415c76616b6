rule tables:
    input:
        scores=scores_of(),
        code=code_of("reports.stages.tables"),
        printed=files_in("reports", "paper"),
    output:
        index=report(
            "results/tables/index.csv",
            caption="../report/tables.rst",
            category="Tables",
        ),
    log:
        "logs/tables.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        plan=plan,
        folder=subpath(output.index, parent=True),
    shell:
        "python -P -m reports.stages.tables --plan {params.plan:q}"
        " --output {params.folder} > {log} 2>&1"


rule examples:
    input:
        scores=scores_of(),
        code=code_of("reports.stages.examples"),
        printed=files_in("reports", "paper"),
    output:
        report(
            expand("results/{dataset}/examples.json", dataset=BENCHMARK.datasets),
            caption="../report/examples.rst",
            category="Figures",
        ),
    log:
        "logs/examples.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        plan=plan,
    shell:
        "python -P -m reports.stages.examples --plan {params.plan:q}"
        " --output results > {log} 2>&1"


rule features:
    input:
        tiles="results/{dataset}/tiles/prepare.json",
        examples="results/{dataset}/examples.json",
        weights=lambda wildcards: trained(wildcards, "checkpoint.pt"),
        code=code_of("harness.stages.features"),
        method=method_code,
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
        folder=subpath(input.tiles, parent=True),
        options=lambda wildcards: as_json(spec_of(wildcards).options),
        device=DEVICE,
    shell:
        "python -P -m harness.stages.features --tiles {params.folder} --method {wildcards.row}"
        " --options {params.options:q} {resources.include} --checkpoint {input.weights}"
        " --examples {input.examples} --seed {wildcards.seed} --device {params.device}"
        " --threads {threads} --output {output.features} > {log} 2>&1"


rule audit:
    input:
        scores=scores_of(),
        code=code_of("reports.stages.audit"),
        printed=files_in("reports", "paper"),
    output:
        report(
            expand("results/{dataset}/audit.csv", dataset=BENCHMARK.datasets),
            caption="../report/audit.rst",
            category="Tables",
        ),
        records=expand("results/{dataset}/audit.json", dataset=BENCHMARK.datasets),
    log:
        "logs/audit.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        plan=plan,
    shell:
        "python -P -m reports.stages.audit --plan {params.plan:q}"
        " --output results > {log} 2>&1"


rule report:
    input:
        scores=scores_of(),
        audit=rules.audit.output,
        features=features_of(),
        tables="results/tables/index.csv",
        code=code_of("reports.stages.report"),
        printed=files_in("reports", "paper"),
        templates=files_in("reports", "templates"),
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
    log:
        "logs/report.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        plan=plan,
    shell:
        "python -P -m reports.stages.report --plan {params.plan:q}"
        " --output {output.page} > {log} 2>&1"


rule complete:
    input:
        scores=scores_of(),
        # The page shows the failures first; then they are cleared for the next run.
        report="results/report/index.html",
        code=code_of("reports.stages.complete"),
    output:
        report(
            "results/report/complete.txt",
            caption="../report/complete.rst",
            category="Report",
        ),
    log:
        "logs/complete.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        plan=plan,
    shell:
        "python -P -m reports.stages.complete --plan {params.plan:q}"
        " --output {output} > {log} 2>&1"
