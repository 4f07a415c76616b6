"""What every fusion method shares: data sets, the method contract, training, inference."""
