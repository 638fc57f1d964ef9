"""Types that a skops file of a scikit-learn model may hold, beside those that skops trusts of itself.

Each is a part of a fitted estimator of scikit-learn, or a function that one keeps; none runs code that the file brings.
The list is ours: a model's own list of trusted types is never read. Found by fitting every estimator of scikit-learn
1.9 and asking skops 0.16 what it does not know. What such an object holds is looked at by `sklearn_checks`; the parts
of `BisectingKMeans` are not on the list, as nobody looks at those.
"""

from __future__ import annotations

from typing import Final

_PARTS: Final = {
    "builtins": "bytearray bytes",
    "collections": "OrderedDict defaultdict",
    "numpy": "dtype mean median max min sum log log1p exp expm1 sqrt square abs absolute ravel",
    "scipy._lib.array_api_compat.numpy._aliases": "asarray",
    "scipy.interpolate._bsplines": "BSpline",
    "scipy.sparse._csc": "csc_array csc_matrix",
    "scipy.sparse._csr": "csr_array csr_matrix",
    "scipy.stats._distn_infrastructure": "rv_continuous_frozen rv_discrete_frozen",
    # of these, skops trusts all but the two of Tweedie since 0.16
    "sklearn._loss.link": "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit",
    "sklearn._loss.loss": (
        "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss HalfPoissonLoss "
        "HalfSquaredError HalfTweedieLoss HalfTweedieLossIdentity HuberLoss PinballLoss"
    ),
    "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
    "sklearn.compose._column_transformer": "make_column_selector",
    "sklearn.covariance._shrunk_covariance": "ledoit_wolf",
    "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_oneway f_regression r_regression",
    "sklearn.gaussian_process._gpc": "_BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels": (
        "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Hyperparameter Matern PairwiseKernel "
        "Product RBF RationalQuadratic Sum WhiteKernel"
    ),
    "sklearn.metrics._classification": (
        "accuracy_score balanced_accuracy_score f1_score fbeta_score jaccard_score log_loss matthews_corrcoef "
        "precision_score recall_score"
    ),
    "sklearn.metrics._dist_metrics": (
        "ChebyshevDistance64 EuclideanDistance32 EuclideanDistance64 HammingDistance64 HaversineDistance64 "
        "JaccardDistance64 MahalanobisDistance64 ManhattanDistance32 ManhattanDistance64 MinkowskiDistance32 "
        "MinkowskiDistance64 SEuclideanDistance64"
    ),
    "sklearn.metrics._ranking": "average_precision_score roc_auc_score top_k_accuracy_score",
    "sklearn.metrics._regression": (
        "explained_variance_score max_error mean_absolute_error mean_absolute_percentage_error mean_squared_error "
        "mean_squared_log_error median_absolute_error r2_score root_mean_squared_error"
    ),
    "sklearn.metrics._scorer": "_CurveScorer _MultimetricScorer _PassthroughScorer _Scorer",
    "sklearn.model_selection._search_successive_halving": (
        "HalvingGridSearchCV HalvingRandomSearchCV _SubsampleMetaSplitter"
    ),
    "sklearn.model_selection._split": (
        "GroupKFold GroupShuffleSplit KFold LeaveOneOut PredefinedSplit RepeatedKFold RepeatedStratifiedKFold "
        "ShuffleSplit StratifiedGroupKFold StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit _CVIterableWrapper"
    ),
    "sklearn.neighbors._ball_tree": "BallTree BallTree32 BallTree64",
    "sklearn.neighbors._kd_tree": "KDTree KDTree32 KDTree64",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.tree._tree": "Tree",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.utils._metadata_requests": "MetadataRequest MethodMetadataRequest",
    # the other libraries' estimators, as steps of a pipeline; a booster is made of its model's text or bytes
    "lightgbm.basic": "Booster",
    "lightgbm.sklearn": "LGBMClassifier LGBMModel LGBMRanker LGBMRegressor",
    "xgboost.core": "Booster",
    "xgboost.sklearn": "XGBClassifier XGBModel XGBRFClassifier XGBRFRegressor XGBRanker XGBRegressor",
}

OWN: Final = frozenset(f"{module}.{name}" for module, names in _PARTS.items() for name in names.split())
