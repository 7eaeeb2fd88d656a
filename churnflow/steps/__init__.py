"""The churn steps, plug-ins under the same contract as a stranger's."""
