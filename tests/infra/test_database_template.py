"""The PostgreSQL outside the cluster: what its template says, and the stack on moto."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = Path(__file__).parents[2] / "infra/cloudformation/database.yaml"
NAME = "coworking-prod"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    from cfnlint.decode import decode  # noqa: PLC0415 - as in conftest.py

    found, problems = decode(str(TEMPLATE))
    assert not problems
    return dict(found)


@pytest.fixture
def resources(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"]
    return found


@pytest.fixture
def stack(template: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stack, made by moto's CloudFormation in a network of two zones.

    Without what moto can't follow and cfn-lint checks: outputs, and the group of parameters.
    """
    body: dict[str, Any] = json.loads(json.dumps(template, default=str))
    del body["Outputs"], body["Resources"]["Database"]["Properties"]["DBParameterGroupName"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        ec2 = boto3.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="192.168.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"192.168.{at}.0/24", AvailabilityZone=zone)
            for at, zone in enumerate(("us-east-1a", "us-east-1b"))
        ]
        group = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=vpc)
        parameters = {
            "Name": NAME,
            "VpcId": vpc,
            "SubnetIds": ",".join(each["Subnet"]["SubnetId"] for each in subnets),
            "NodesSecurityGroup": group["GroupId"],
        }
        boto3.client("cloudformation").create_stack(
            StackName=f"{NAME}-database",
            TemplateBody=json.dumps(body),
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        )
        yield


@pytest.mark.usefixtures("stack")
def test_the_database_is_in_two_zones_encrypted_backed_up_and_private() -> None:
    (found,) = boto3.client("rds").describe_db_instances(DBInstanceIdentifier=NAME)["DBInstances"]
    wanted = {
        "Engine": "postgres",
        "DBName": "coworking",
        "MultiAZ": True,
        "StorageEncrypted": True,
        "BackupRetentionPeriod": 28,
        "PubliclyAccessible": False,
    }
    assert {name: found[name] for name in wanted} == wanted
    assert str(found["EngineVersion"]).split(".")[0] == "15"


def test_only_the_nodes_reach_it_and_only_postgresql_s_port(resources: dict[str, Any]) -> None:
    assert resources["Database"]["Properties"]["VPCSecurityGroups"] == [{"Ref": "SecurityGroup"}]
    (rule,) = resources["SecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert {name: each for name, each in rule.items() if name != "Description"} == {
        "IpProtocol": "tcp",
        "FromPort": 5432,
        "ToPort": 5432,
        "SourceSecurityGroupId": {"Ref": "NodesSecurityGroup"},
    }


def test_neither_a_deleted_stack_nor_a_mistake_deletes_the_database(
    resources: dict[str, Any],
) -> None:
    database = resources["Database"]
    assert (database["DeletionPolicy"], database["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert database["Properties"]["DeletionProtection"] is True
    assert database["Properties"]["DeleteAutomatedBackups"] is False


def test_no_password_is_in_the_template(resources: dict[str, Any]) -> None:
    properties = resources["Database"]["Properties"]
    assert properties["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in properties


def test_it_takes_connections_by_tls_alone(resources: dict[str, Any]) -> None:
    assert resources["Database"]["Properties"]["DBParameterGroupName"] == {"Ref": "Settings"}
    settings = resources["Settings"]["Properties"]
    assert settings["Parameters"]["rds.force_ssl"] == "1"
    version = resources["Database"]["Properties"]["EngineVersion"]
    assert settings["Family"] == f"postgres{version.split('.')[0]}"
