"""The pipeline's template deployed on moto's CloudFormation, and the services asked afterwards."""

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ci.local.codebuild.eventbridge import Template
from ci.local.codebuild.finished import Finished
from ci.tree.overlays import PIPELINE_TEMPLATE

ROOT = Path(__file__).parents[2]

# moto reads these and makes nothing: cfn-lint and test_pipeline_template.py look after them.
IGNORED_BY_MOTO = {
    "AWS::CloudWatch::Alarm",
    "AWS::CodeBuild::Project",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::Secret",
}
# Of kinds that it does make it drops some properties: ECR's lifecycle policy and scan setting, and
# the bucket's public access block, lifecycle, versioning and ownership.

CONNECTION = "arn:aws:codeconnections:us-east-1:123456789012:connection/" + "0" * 8 + "-0000" * 3
PARAMETERS = {
    "ImageRepoName": "coworking",
    "GitUrl": "https://github.com/example/coworking.git",
    "ClusterName": "my-cluster",
    "BotActorId": "900",
    "AlarmEmail": "oncall@example.com",
    "ConnectionArn": f"{CONNECTION}-{'0' * 12}",
}


class Aws:
    """The stack, and what the services say there is."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.cloudformation = boto3.client("cloudformation")

    def arguments(self, **parameters: str) -> dict[str, Any]:
        return {
            "StackName": "coworking-pipeline",
            "TemplateBody": self.template,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in {**PARAMETERS, **parameters}.items()
            ],
            "Capabilities": ["CAPABILITY_IAM"],
        }

    def status(self) -> str:
        return self.cloudformation.describe_stacks()["Stacks"][0]["StackStatus"]

    def made(self) -> dict[str, Any]:
        """What exists, by service; everything that would differ if it had been made again."""
        iam, logs = boto3.client("iam"), boto3.client("logs")
        return {
            "ecr": boto3.client("ecr").describe_repositories()["repositories"],
            "s3": boto3.client("s3").list_buckets()["Buckets"],
            "logs": {
                group["logGroupName"]: group["retentionInDays"]
                for group in logs.describe_log_groups()["logGroups"]
            },
            "iam": {
                role["RoleName"]: [
                    iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)
                    for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
                ]
                for role in iam.list_roles()["Roles"]
            },
            "sns": boto3.client("sns").list_topics()["Topics"],
            "sqs": boto3.client("sqs").list_queues().get("QueueUrls", []),
            "events": boto3.client("events").list_rules()["Rules"],
        }


@pytest.fixture
def aws(pipeline_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws(), warnings.catch_warnings():
        # moto says for each kind that it ignores it; the test below holds the list.
        warnings.filterwarnings("ignore", message="Tried to parse AWS::")
        yield Aws(with_projects_that_exist(pipeline_path.read_text(encoding="utf-8")))


def with_projects_that_exist(template: str) -> str:
    """The template with the name and ARN of each project in place of `!Ref` and `!GetAtt`."""
    projects = {"BuildProject": "", "PostgresProject": "-postgres"}
    for project, name in {**projects, "WriteBackProject": "-write-back"}.items():
        name = f'"${{PipelineName}}{name}"'  # noqa: PLW2901
        arn = '"arn:${AWS::Partition}:codebuild:${AWS::Region}:${AWS::AccountId}:project/'
        template = template.replace(f"!GetAtt {project}.Arn", f"!Sub {arn}{name[1:]}")
        template = template.replace(f"!Ref {project}", f"!Sub {name}")
    return template


def without_request(answer: Any) -> Any:
    """The answer less the identifier of the request, which differs every time."""
    if isinstance(answer, dict):
        return {k: without_request(v) for k, v in answer.items() if k != "ResponseMetadata"}
    return [without_request(one) for one in answer] if isinstance(answer, list) else answer


def test_the_stack_makes_what_the_template_says(aws: Aws) -> None:
    aws.cloudformation.create_stack(**aws.arguments())
    assert aws.status() == "CREATE_COMPLETE"
    made = aws.made()

    names = {repository["repositoryName"] for repository in made["ecr"]}
    assert names == {"coworking", "coworking-postgres"}
    for repository in made["ecr"]:
        assert repository["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
        assert repository["imageTagMutabilityExclusionFilters"] == [
            {"filterType": "WILDCARD", "filter": "latest"}
        ]
    (bucket,) = made["s3"]
    s3 = boto3.client("s3")
    (rule,) = s3.get_bucket_encryption(Bucket=bucket["Name"])["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert made["logs"] == {
        "/aws/codebuild/coworking": 14,
        "/aws/codebuild/coworking-postgres": 14,
        "/aws/codebuild/coworking-pr": 14,
        "/aws/codebuild/coworking-write-back": 14,
        "/aws/containerinsights/my-cluster/application": 14,
        "/aws/containerinsights/my-cluster/dataplane": 14,
        "/aws/containerinsights/my-cluster/host": 14,
        "/aws/containerinsights/my-cluster/performance": 14,
    }
    (topic,) = made["sns"]
    assert topic["TopicArn"].endswith(":coworking-failed-builds")


def test_the_roles_name_what_the_stack_made(aws: Aws) -> None:
    aws.cloudformation.create_stack(**aws.arguments())
    made = aws.made()
    policies = {
        policy["PolicyName"]: json.dumps(policy["PolicyDocument"])
        for (policy,) in made["iam"].values()
    }
    assert set(policies) == {"build", "build-postgres", "write-back", "start-write-back", "check"}
    arns = {one["repositoryName"]: one["repositoryArn"] for one in made["ecr"]}
    for image, build in (("coworking", "build"), ("coworking-postgres", "build-postgres")):
        exactly = re.compile(re.escape(arns[image]) + r"(?![\w-])")
        assert {name for name in policies if exactly.search(policies[name])} == {
            build,
            "write-back",
        }
    assert f"arn:aws:s3:::{made['s3'][0]['Name']}/coworking/*" in policies["build"]
    for build in ("build", "build-postgres", "write-back", "check"):
        assert PARAMETERS["ConnectionArn"] in policies[build]


@pytest.mark.parametrize(("signing", "readers"), [("none", []), ("ssh", ["write-back"])])
def test_a_stack_lets_the_write_back_read_a_signing_key_only_where_it_signs(
    aws: Aws, signing: str, readers: list[str]
) -> None:
    aws.cloudformation.create_stack(**aws.arguments(Signing=signing))
    policies = [one for (one,) in aws.made()["iam"].values()]
    assert [one["PolicyName"] for one in policies if "ReadSigningKey" in json.dumps(one)] == readers


def test_the_rule_passes_on_the_build_and_nothing_else(aws: Aws) -> None:
    aws.cloudformation.create_stack(**aws.arguments())
    events = boto3.client("events")
    (target,) = events.list_targets_by_rule(Rule="coworking-write-back")["Targets"]
    assert target["InputTransformer"]["InputPathsMap"] == {"build": "$.detail.build-id"}
    assert target["DeadLetterConfig"]["Arn"].endswith(":coworking-lost-write-backs")


def test_moto_s_eventbridge_lets_the_same_events_through_as_ours(aws: Aws) -> None:
    """A second opinion on ci/local/codebuild/eventbridge.py: moto delivers what matches."""
    aws.cloudformation.create_stack(**aws.arguments())
    events, sqs = boto3.client("events"), boto3.client("sqs")
    queue = sqs.create_queue(QueueName="seen")["QueueUrl"]
    (arn,) = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])[
        "Attributes"
    ].values()
    pattern = events.describe_rule(Name="coworking-write-back")["EventPattern"]
    events.remove_targets(Rule="coworking-write-back", Ids=["write-back"])
    events.put_rule(Name="seen", EventPattern=pattern)
    events.put_targets(Rule="seen", Targets=[{"Id": "seen", "Arn": arn}])
    ours = Template.read(ROOT / PIPELINE_TEMPLATE, "coworking")
    assert ours is not None
    for project in ("coworking", "coworking-postgres", "coworking-pr", "coworking-write-back"):
        for succeeded in (True, False):
            event = Finished(project, "1", 57, "0" * 40, succeeded, {}).event()
            events.put_events(
                Entries=[
                    {
                        "Source": event["source"],
                        "DetailType": event["detail-type"],
                        "Detail": json.dumps(event["detail"]),
                    }
                ]
            )
            seen = sqs.receive_message(QueueUrl=queue).get("Messages", [])
            for message in seen:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            assert len(seen) == len(list(ours.starts(event))), (project, succeeded)


def test_the_same_template_again_changes_nothing(aws: Aws) -> None:
    aws.cloudformation.create_stack(**aws.arguments())
    before = without_request(aws.made())
    aws.cloudformation.update_stack(**aws.arguments())
    assert aws.status() == "UPDATE_COMPLETE"
    assert without_request(aws.made()) == before


def test_deleting_the_stack_leaves_nothing(aws: Aws) -> None:
    aws.cloudformation.create_stack(**aws.arguments())
    aws.cloudformation.delete_stack(StackName="coworking-pipeline")
    assert not any(aws.made().values())


def test_moto_ignores_the_kinds_that_the_page_names(aws: Aws, pipeline: dict[str, Any]) -> None:
    kinds = {resource["Type"] for resource in pipeline["Resources"].values()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        aws.cloudformation.create_stack(**aws.arguments())
    ignored = {
        str(warning.message).split()[3]
        for warning in caught
        if "it's not supported by moto" in str(warning.message)
    }
    assert ignored == IGNORED_BY_MOTO
    assert ignored < kinds
    page = (Path(__file__).parents[2] / "docs/aws.md").read_text(encoding="utf-8")
    assert not [kind for kind in sorted(ignored) if kind not in page]
