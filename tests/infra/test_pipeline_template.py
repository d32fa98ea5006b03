"""What the pipeline's template promises, read from the template alone."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.platform.capacity.cost import ALARMS, SECRETS
from ci.platform.capacity.eksctl import load_cluster
from ci.platform.capacity.gather import CLUSTER
from ci.ship.build import VARIABLES

# Actions that AWS defines without a resource to narrow them to (Service Authorization Reference).
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken"}

# Rights that change git, the registry or the bucket: no pull request's build may have one.
PUSHING = ("ecr:", "s3:", "git-token", "codebuild:StartBuild", "iam:", "cloudformation:")
BUILDS = ("BuildRole", "PostgresRole", "WriteBackRole", "PullRequestRole")


def resources_of(pipeline: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: resource.get("Properties", {})
        for name, resource in pipeline["Resources"].items()
        if resource["Type"] == kind
    }


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(pipeline: dict[str, Any], role: str) -> Iterator[dict[str, Any]]:
    """A role's statements, the conditional ones too."""
    for policy in pipeline["Resources"][role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def variables(project: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A project's variables, the conditional ones too."""
    for variable in project["Environment"]["EnvironmentVariables"]:
        yield variable["Fn::If"][1] if "Fn::If" in variable else variable


def test_every_text_parameter_has_a_pattern_and_says_what_is_valid(
    pipeline: dict[str, Any],
) -> None:
    for name, parameter in pipeline["Parameters"].items():
        assert parameter["Description"], name
        if parameter["Type"] == "String":
            assert parameter["AllowedPattern"], name
            assert parameter["ConstraintDescription"], name


def test_no_account_region_or_repository_is_written_into_the_template(pipeline_path: Path) -> None:
    text = pipeline_path.read_text(encoding="utf-8")
    for literal in ("us-east-1", "183302320810", "my-cluster/"):
        assert literal not in text


@pytest.mark.parametrize("role", [*BUILDS, "StartWriteBackRole"])
def test_a_right_names_its_resource_wherever_aws_allows_it(
    pipeline: dict[str, Any], role: str
) -> None:
    wide = {
        action
        for statement in statements(pipeline, role)
        if "*" in as_list(statement["Resource"])
        for action in as_list(statement["Action"])
    }
    assert wide <= WITHOUT_RESOURCE
    for statement in statements(pipeline, role):
        assert not any("*" in action for action in as_list(statement["Action"]))


@pytest.mark.parametrize("role", BUILDS)
def test_a_role_can_be_taken_only_by_its_own_project(pipeline: dict[str, Any], role: str) -> None:
    properties = pipeline["Resources"][role]["Properties"]
    (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
    arn = statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"]
    project = next(
        one
        for one in resources_of(pipeline, "AWS::CodeBuild::Project").values()
        if one["ServiceRole"] == {"Fn::GetAtt": [role, "Arn"]}
    )
    name = project["Name"].get("Fn::Sub", "${PipelineName}")
    assert arn.endswith(f":project/{name}")
    assert "ManagedPolicyArns" not in properties


def test_only_the_write_back_reads_the_git_token(pipeline: dict[str, Any]) -> None:
    readers = {
        role
        for role in resources_of(pipeline, "AWS::IAM::Role")
        if "GitToken" in json.dumps(list(statements(pipeline, role)))
    }
    assert readers == {"WriteBackRole"}
    told = {
        name
        for name, project in resources_of(pipeline, "AWS::CodeBuild::Project").items()
        if "git-token" in json.dumps(project)
    }
    assert told == {"WriteBackProject"}
    # Nor by way of another role, or of every secret.
    text = json.dumps([list(statements(pipeline, role)) for role in BUILDS])
    assert "sts:" not in text
    assert "iam:" not in text
    for role in BUILDS:
        for statement in statements(pipeline, role):
            if "secretsmanager:GetSecretValue" in as_list(statement["Action"]):
                assert set(statement["Resource"]) == {"Ref"}


def test_only_the_write_back_reads_the_signing_key_and_only_where_it_was_asked_for(
    pipeline: dict[str, Any],
) -> None:
    key = pipeline["Resources"]["SigningKey"]
    assert key["Condition"] == "Signs"
    assert pipeline["Conditions"]["Signs"] == {"Fn::Equals": [{"Ref": "Signing"}, "ssh"]}
    assert pipeline["Parameters"]["Signing"]["Default"] == "none"
    right = {
        "Sid": "ReadSigningKey",
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": {"Ref": "SigningKey"},
    }
    nothing = {"Ref": "AWS::NoValue"}
    for role in resources_of(pipeline, "AWS::IAM::Role"):
        (policy,) = pipeline["Resources"][role]["Properties"]["Policies"]
        listed = policy["PolicyDocument"]["Statement"]
        found = [one for one in listed if "SigningKey" in json.dumps(one)]
        wanted = [{"Fn::If": ["Signs", right, nothing]}] if role == "WriteBackRole" else []
        assert found == wanted, role
    for name, project in resources_of(pipeline, "AWS::CodeBuild::Project").items():
        told = [one for one in project["Environment"]["EnvironmentVariables"] if "Fn::If" in one]
        value = {"Fn::Sub": "${PipelineName}/signing-key"}
        variable = {"Name": "SIGNING_KEY_SECRET", "Value": value}
        wanted = [{"Fn::If": ["Signs", variable, nothing]}] if name == "WriteBackProject" else []
        assert told == wanted, name


def test_no_build_can_start_or_change_a_build(pipeline: dict[str, Any]) -> None:
    """Who starts a build can give it other commands, and they can print what its role may read."""
    may = {
        (role, action, json.dumps(statement["Resource"]))
        for role in resources_of(pipeline, "AWS::IAM::Role")
        for statement in statements(pipeline, role)
        for action in as_list(statement["Action"])
        if re.match(r"codebuild:(Start|Retry|Update|Create|Import|Put|\*)", action)
        and not re.search(r"Report(Group)?$", action)
    }
    write_back = json.dumps({"Fn::GetAtt": ["WriteBackProject", "Arn"]})
    assert may == {("StartWriteBackRole", "codebuild:StartBuild", write_back)}


def test_only_the_rule_can_use_the_right_to_start_the_write_back(pipeline: dict[str, Any]) -> None:
    role = pipeline["Resources"]["StartWriteBackRole"]["Properties"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    arn = statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"]
    (rule,) = resources_of(pipeline, "AWS::Events::Rule").values()
    assert arn.endswith(f":rule/{rule['Name']['Fn::Sub']}")
    (target,) = rule["Targets"]
    assert target["RoleArn"] == {"Fn::GetAtt": ["StartWriteBackRole", "Arn"]}


def test_the_write_back_runs_what_main_has_and_no_engine(pipeline: dict[str, Any]) -> None:
    project = pipeline["Resources"]["WriteBackProject"]["Properties"]
    assert project["SourceVersion"] == {"Ref": "MainBranch"}
    assert project["Environment"]["PrivilegedMode"] is False
    assert "Triggers" not in project


def test_every_build_reads_its_source_by_the_connection_where_there_is_one(
    pipeline: dict[str, Any],
) -> None:
    """https://docs.aws.amazon.com/codebuild/latest/userguide/connections-github-app.html"""
    for project in resources_of(pipeline, "AWS::CodeBuild::Project").values():
        condition, auth, otherwise = project["Source"]["Auth"]["Fn::If"]
        assert condition == "HasConnection"
        assert auth == {"Type": "CODECONNECTIONS", "Resource": {"Ref": "ConnectionArn"}}
        assert otherwise == {"Ref": "AWS::NoValue"}
    for role in BUILDS:
        (statement,) = (one for one in statements(pipeline, role) if one["Sid"] == "ReadSource")
        assert {"codeconnections:GetConnection", "codeconnections:GetConnectionToken"} <= set(
            statement["Action"]
        )
        assert statement["Resource"] == {"Ref": "ConnectionArn"}


def test_an_event_that_starts_nothing_is_kept_and_raises_an_alarm(pipeline: dict[str, Any]) -> None:
    (rule,) = resources_of(pipeline, "AWS::Events::Rule").values()
    (target,) = rule["Targets"]
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["LostWriteBacks", "Arn"]}}
    (policy,) = resources_of(pipeline, "AWS::SQS::QueuePolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"] == {
        "Fn::GetAtt": ["StartWriteBack", "Arn"]
    }
    alarm = resources_of(pipeline, "AWS::CloudWatch::Alarm")["WriteBackLost"]
    assert alarm["Dimensions"] == [
        {"Name": "QueueName", "Value": {"Fn::GetAtt": ["LostWriteBacks", "QueueName"]}}
    ]


def test_the_build_of_a_pull_request_can_push_nothing(pipeline: dict[str, Any]) -> None:
    text = json.dumps(list(statements(pipeline, "PullRequestRole")))
    assert not [right for right in PUSHING if right in text]
    assert "GitToken" not in text
    project = pipeline["Resources"]["PullRequestProject"]["Properties"]
    assert project["Environment"]["PrivilegedMode"] is False
    assert "git-token" not in json.dumps(project)


def test_no_secret_is_an_environment_variable_of_a_build(pipeline: dict[str, Any]) -> None:
    for project in resources_of(pipeline, "AWS::CodeBuild::Project").values():
        for variable in variables(project):
            assert variable.get("Type", "PLAINTEXT") == "PLAINTEXT"
    for secret in resources_of(pipeline, "AWS::SecretsManager::Secret").values():
        assert "SecretString" not in secret


def test_builds_know_the_variables_that_users_know(pipeline: dict[str, Any]) -> None:
    for project in resources_of(pipeline, "AWS::CodeBuild::Project").values():
        names = {one["Name"] for one in variables(project)}
        assert {"AWS_ACCOUNT_ID", "AWS_DEFAULT_REGION", "IMAGE_REPO_NAME"} <= names


def test_builds_are_told_everything_that_their_steps_ask_for(pipeline: dict[str, Any]) -> None:
    asked = {
        name
        for name, variable in VARIABLES.items()
        if variable.default is None and not name.startswith("CODEBUILD_")
    }
    told = {
        one["Name"]
        for project in resources_of(pipeline, "AWS::CodeBuild::Project").values()
        for one in variables(project)
    }
    assert asked <= told <= set(VARIABLES)


@pytest.mark.parametrize(
    ("role", "buildspec", "project"),
    [
        ("BuildRole", "buildspec.yaml", ""),
        ("PostgresRole", "buildspec.postgres.yaml", "-postgres"),
        ("PullRequestRole", "buildspec.pr.yaml", "-pr"),
    ],
)
def test_a_role_may_write_the_reports_that_its_buildspec_names(
    pipeline: dict[str, Any], role: str, buildspec: str, project: str
) -> None:
    text = (Path(__file__).parents[2] / "ci" / buildspec).read_text(encoding="utf-8")
    (statement,) = (one for one in statements(pipeline, role) if one["Sid"] == "ReportTests")
    (name,) = yaml.safe_load(text)["reports"]
    assert statement["Resource"]["Fn::Sub"].endswith(f"/${{PipelineName}}{project}-{name}")


def test_the_builds_make_images_for_the_nodes(pipeline: dict[str, Any]) -> None:
    cluster = load_cluster(Path(__file__).parents[2] / CLUSTER)
    for project in ("BuildProject", "PostgresProject"):
        environment = pipeline["Resources"][project]["Properties"]["Environment"]
        assert (environment["Type"], cluster.architecture) == ("LINUX_CONTAINER", "amd64")
        assert "x86_64" in environment["Image"]


def test_no_project_limits_concurrent_builds(pipeline: dict[str, Any]) -> None:
    for project in resources_of(pipeline, "AWS::CodeBuild::Project").values():
        assert "ConcurrentBuildLimit" not in project


def test_a_forks_pull_request_waits_for_a_maintainer(pipeline: dict[str, Any]) -> None:
    triggers = pipeline["Resources"]["PullRequestProject"]["Properties"]["Triggers"]
    assert triggers["PullRequestBuildPolicy"] == {"RequiresCommentApproval": "FORK_PULL_REQUESTS"}


def test_the_bucket_is_private_encrypted_and_forgets(pipeline: dict[str, Any]) -> None:
    (bucket,) = resources_of(pipeline, "AWS::S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 90
    (policy,) = resources_of(pipeline, "AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_bill_counts_as_many_secrets_and_alarms_as_there_are(pipeline: dict[str, Any]) -> None:
    made = [one for one in pipeline["Resources"].values() if "Condition" not in one]
    kinds = [one["Type"] for one in made]
    assert kinds.count("AWS::SecretsManager::Secret") == SECRETS  # docs/pipeline.md has the third
    assert len(resources_of(pipeline, "AWS::CloudWatch::Alarm")) == ALARMS


def test_every_log_group_has_a_retention(pipeline: dict[str, Any]) -> None:
    groups = resources_of(pipeline, "AWS::Logs::LogGroup")
    assert {group["LogGroupName"]["Fn::Sub"] for group in groups.values()} == {
        "/aws/codebuild/${PipelineName}",
        "/aws/codebuild/${PipelineName}-postgres",
        "/aws/codebuild/${PipelineName}-pr",
        "/aws/codebuild/${PipelineName}-write-back",
        "/aws/containerinsights/${ClusterName}/application",
        "/aws/containerinsights/${ClusterName}/dataplane",
        "/aws/containerinsights/${ClusterName}/host",
        "/aws/containerinsights/${ClusterName}/performance",
    }
    for group in groups.values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionInDays"}


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("BuildFailed", "BuildProject"),
        ("PostgresBuildFailed", "PostgresProject"),
        ("WriteBackFailed", "WriteBackProject"),
    ],
)
def test_a_failed_build_raises_an_alarm(pipeline: dict[str, Any], name: str, project: str) -> None:
    alarm = resources_of(pipeline, "AWS::CloudWatch::Alarm")[name]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/CodeBuild", "FailedBuilds")
    assert alarm["Dimensions"] == [{"Name": "ProjectName", "Value": {"Ref": project}}]


def test_every_alarm_is_heard_by_somebody(pipeline: dict[str, Any]) -> None:
    for alarm in resources_of(pipeline, "AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [{"Ref": "FailedBuilds"}]
    (topic,) = resources_of(pipeline, "AWS::SNS::Topic").values()
    assert "KmsMasterKeyId" not in topic
