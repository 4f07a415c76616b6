OUTLINE = as_json(outline_of(BENCHMARK))


rule tables:
    input:
        scores=scores_of(),
        code=code_of("reports.stages.tables"),
        printed=files_in("reports", "paper"),
    output:
        index="results/tables/index.csv",
    log:
        "logs/tables.log",
    conda:
        "../../environment.yml"
    params:
        outline=OUTLINE,
        folder=subpath(output.index, parent=True),
    shell:
        "python -m reports.stages.tables --outline {params.outline:q}"
        " --output {params.folder} > {log} 2>&1"


rule report:
    input:
        scores=scores_of(),
        tables="results/tables/index.csv",
        code=code_of("reports.stages.report"),
        printed=files_in("reports", "paper"),
        templates=files_in("reports", "templates"),
    output:
        "results/report/index.html",
    log:
        "logs/report.log",
    conda:
        "../../environment.yml"
    params:
        outline=OUTLINE,
    shell:
        "python -m reports.stages.report --outline {params.outline:q}"
        " --output {output} > {log} 2>&1"


rule complete:
    input:
        scores=scores_of(),
        # The page shows the failures first; then they are cleared for the next run.
        report="results/report/index.html",
        code=code_of("reports.stages.complete"),
    output:
        "results/report/complete.txt",
    log:
        "logs/complete.log",
    conda:
        "../../environment.yml"
    params:
        outline=OUTLINE,
    shell:
        "python -m reports.stages.complete --outline {params.outline:q}"
        " --output {output} > {log} 2>&1"
