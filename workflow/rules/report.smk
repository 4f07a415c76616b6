from reports.outline import outline_of

OUTLINE = as_json(outline_of(BENCHMARK))


rule tables:
    input:
        scores=scores_of(),
        code=code_of("reports.stages.tables"),
        printed=relative(sorted(Path(workflow.basedir, "reports", "paper").iterdir())),
    output:
        index="results/tables/index.csv",
    log:
        "logs/tables.log",
    params:
        outline=OUTLINE,
        folder=subpath(output.index, parent=True),
    conda:
        "../../environment.yml"
    shell:
        "python -m reports.stages.tables --outline {params.outline:q}"
        " --output {params.folder} > {log} 2>&1"


rule report:
    input:
        scores=scores_of(),
        tables="results/tables/index.csv",
        code=code_of("reports.stages.report"),
        printed=relative(sorted(Path(workflow.basedir, "reports", "paper").iterdir())),
        templates=relative(sorted(Path(workflow.basedir, "reports", "templates").iterdir())),
    output:
        "results/report/index.html",
    log:
        "logs/report.log",
    params:
        outline=OUTLINE,
    conda:
        "../../environment.yml"
    shell:
        "python -m reports.stages.report --outline {params.outline:q}"
        " --output {output} > {log} 2>&1"


rule complete:
    input:
        scores=scores_of(),
        code=code_of("reports.stages.complete"),
    output:
        "results/report/complete.txt",
    log:
        "logs/complete.log",
    params:
        outline=OUTLINE,
    conda:
        "../../environment.yml"
    shell:
        "python -m reports.stages.complete --outline {params.outline:q}"
        " --output {output} > {log} 2>&1"
