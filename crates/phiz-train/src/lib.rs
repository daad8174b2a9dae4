//! Data, augmentation, losses, optimisation, runs. Not linked by the product.
