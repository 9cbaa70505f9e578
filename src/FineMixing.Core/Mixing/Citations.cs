namespace FineMixing.Mixing;

/// <summary>The publications behind the mixers.</summary>
internal static class Citations
{
    public const string FineMixing = "Zhang, Lyu, Ma, Wang, Sun: Fine-mixing: Mitigating Backdoors in Fine-tuned Language Models. Findings of EMNLP 2022, doi:10.18653/v1/2022.findings-emnlp.26";
    public const string ModelSoups = "Wortsman et al.: Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time. ICML 2022, arXiv:2203.05482";
    public const string WiseFt = "Wortsman et al.: Robust fine-tuning of zero-shot models. CVPR 2022, arXiv:2109.01903";
    public const string Wag = "Arora, He, Mozes, Swayamdipta, Xu: Here's a Free Lunch: Sanitizing Backdoored Models with Model Merge. Findings of ACL 2024, arXiv:2402.19334";
    public const string Slerp = "Shoemake: Animating rotation with quaternion curves. SIGGRAPH 1985, doi:10.1145/325334.325242";
    public const string MergeKit = "Goddard et al.: Arcee's MergeKit: A Toolkit for Merging Large Language Models. EMNLP 2024 (industry), arXiv:2403.13257";
    public const string TaskArithmetic = "Ilharco et al.: Editing models with task arithmetic. ICLR 2023, arXiv:2212.04089";
    public const string Ties = "Yadav, Tam, Choshen, Raffel, Bansal: TIES-Merging: Resolving Interference When Merging Models. NeurIPS 2023, arXiv:2306.01708";
    public const string Dare = "Yu, Yu, Yu, Huang, Li: Language Models are Super Mario: Absorbing Abilities from Homologous Models as a Free Lunch. ICML 2024, arXiv:2311.03099";
    public const string Breadcrumbs = "Davari, Belilovsky: Model Breadcrumbs: Scaling Multi-Task Model Merging with Sparse Masks. ECCV 2024, arXiv:2312.06795";
    public const string ModelStock = "Jang, Yun, Han: Model Stock: All we need is just a few fine-tuned models. ECCV 2024, arXiv:2403.19522";
    public const string Sce = "Wan et al.: FuseChat: Knowledge Fusion of Chat Models. arXiv:2408.07990";
    public const string ArceeFusion = "Arcee AI: Meet MergeKit v0.1: Arcee Fusion, expanded model support, multi-GPU acceleration (2025)";
}
