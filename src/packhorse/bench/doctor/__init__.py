"""What makes timings unsteady here, and which S3 settings cost speed: readings, judged by pure checks."""
