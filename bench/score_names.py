"""What scores are called where people read: one table for tables, analyses, figures and pages.

CSV and JSON have the columns' own names, which is what `--scores` and `columns` take.
"""

from __future__ import annotations

NAMES: dict[str, tuple[str, str]] = {
    "elbo_nats": ("ELBO", "ELBO"),
    "elbo_held_out_nats": ("ELBO, held out", "ELBO, held out"),
    "elbo_kept_nats": ("ELBO, kept", "ELBO, kept"),
    "elbo_same_images_nats": ("ELBO, same images", "ELBO, same images"),
    "iwae_nats": ("IWAE", "IWAE"),
    "ais_nats": ("AIS", "AIS"),
    "reconstruction_nats": ("recon.", "reconstruction"),
    "reconstruction_held_out_nats": ("recon., held out", "reconstruction, held out"),
    "reconstruction_kept_nats": ("recon., kept", "reconstruction, kept"),
    "kl_nats": ("KL", "KL"),
    "mutual_information_nats": ("I(x; z)", "I(x; z)"),
    "total_correlation_nats": ("TC", "total correlation"),
    "dimensionwise_kl_nats": ("dim. KL", "dimension-wise KL"),
    "mutual_information_mws_nats": ("I(x; z), MWS", "I(x; z), MWS"),
    "total_correlation_mws_nats": ("TC, MWS", "total correlation, MWS"),
    "dimensionwise_kl_mws_nats": ("dim. KL, MWS", "dimension-wise KL, MWS"),
    "mutual_information_mss_nats": ("I(x; z), MSS", "I(x; z), MSS"),
    "total_correlation_mss_nats": ("TC, MSS", "total correlation, MSS"),
    "dimensionwise_kl_mss_nats": ("dim. KL, MSS", "dimension-wise KL, MSS"),
    "mutual_information_exact_nats": ("I(x; z), exact", "I(x; z), exact"),
    "total_correlation_exact_nats": ("TC, exact", "total correlation, exact"),
    "dimensionwise_kl_exact_nats": ("dim. KL, exact", "dimension-wise KL, exact"),
    "active_units": ("active", "active units"),
    "mig": ("MIG", "MIG"),
    "mig_exact": ("MIG, exact", "MIG, exact"),
    "mig_chen": ("MIG (Chen)", "MIG (Chen)"),
    "mig_chen_exact": ("MIG (Chen), exact", "MIG (Chen), exact"),
    "mig_sup": ("MIG-sup", "MIG-sup"),
    "rmig": ("RMIG", "RMIG"),
    "rmig_nats": ("RMIG, nats", "RMIG, not normalised"),
    "med": ("MED", "MED"),
    "jemmig": ("JEMMIG", "JEMMIG"),
    "dcimig": ("DCIMIG", "DCIMIG"),
    "dci_disentanglement": ("DCI D", "DCI disentanglement"),
    "dci_completeness": ("DCI C", "DCI completeness"),
    "dci_informativeness": ("DCI I (accuracy)", "DCI I (test accuracy)"),
    "dci_informativeness_train": ("DCI I (train. acc.)", "DCI I (training accuracy)"),
    "dci_explicitness": ("DCI E", "DCI explicitness"),
    "dci_size": ("DCI S", "DCI size"),
    "sap": ("SAP", "SAP"),
    "sap_continuous": ("SAP, continuous", "SAP, continuous"),
    "modularity": ("modularity", "modularity"),
    "explicitness": ("explicitness", "explicitness"),
    "explicitness_train": ("explicitness, train", "explicitness, training"),
    "beta_vae_score": ("BetaVAE score", "BetaVAE score"),
    "factor_vae_score": ("FactorVAE score", "FactorVAE score"),
    "z_min_variance": ("Z-min variance", "Z-min variance"),
    "irs": ("IRS", "IRS"),
    "gaussian_total_correlation": ("Gaussian TC", "Gaussian TC"),
    "gaussian_wasserstein_correlation": ("Gaussian W2", "Gaussian W2"),
    "gaussian_wasserstein_correlation_norm": ("Gaussian W2, norm.", "Gaussian W2, normalised"),
    "mutual_info_score": ("MI of codes", "MI of codes"),
    "condition_leakage_nats": ("leakage", "condition leakage"),
    "condition_leakage_fraction": ("leakage, share", "condition leakage, share"),
    "condition_leakage_max_code_nats": ("leakage, one code", "condition leakage, one code"),
    "infom_range": ("InfoM", "InfoM"),
    "infoe_range": ("InfoE", "InfoE"),
    "infoc_range": ("InfoC", "InfoC"),
    "probe_codes_100": ("probe, 100 labels", "probe, 100 labels"),
    "probe_codes_all": ("probe, all labels", "probe, all labels"),
    "auroc_elbo_shuffled": ("AUROC shuffled", "AUROC shuffled"),
    "auroc_elbo_blank": ("AUROC blank", "AUROC blank"),
    "imputation_rmse_metropolis_half": ("RMSE missing half", "RMSE missing half"),
    "psnr_denoised_gaussian": ("PSNR denoised", "PSNR denoised"),
    "label_error": ("label error", "label error"),
    "caption_reading_held_out": ("new captions read", "new captions read"),
    "collapsed_layers": ("collapsed layers", "collapsed layers"),
    "codebook_perplexity": ("perplexity", "perplexity"),
    "bits_per_dimension": ("bits/dim", "bits per dimension"),
}
"""By column: the name where space is short, and the name above a panel. Columns that are not here keep their own."""


def short_name(column: str) -> str:
    """A column's name in the head of a table: `DCI D`; its own where it has no other."""
    return NAMES[column][0] if column in NAMES else column


def full_name(column: str) -> str:
    """A column's name above a panel or beside an axis: `DCI disentanglement`; else its own in words."""
    return NAMES[column][1] if column in NAMES else column.removesuffix("_nats").replace("_", " ")
