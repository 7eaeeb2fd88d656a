"""The statistics and the learning that the steps share; no step, engine or file of a project in sight."""
