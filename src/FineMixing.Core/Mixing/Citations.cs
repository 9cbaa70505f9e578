namespace FineMixing.Mixing;

/// <summary>The publications behind the mixers.</summary>
internal static class Citations
{
    public const string FineMixing = "Zhang, Lyu, Ma, Wang, Sun: Fine-mixing: Mitigating Backdoors in Fine-tuned Language Models. Findings of EMNLP 2022, doi:10.18653/v1/2022.findings-emnlp.26";
    public const string ModelSoups = "Wortsman et al.: Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time. ICML 2022, arXiv:2203.05482";
    public const string WiseFt = "Wortsman et al.: Robust fine-tuning of zero-shot models. CVPR 2022, arXiv:2109.01903";
    public const string Wag = "Arora, He, Mozes, Swayamdipta, Xu: Here's a Free Lunch: Sanitizing Backdoored Models with Model Merge. Findings of ACL 2024, arXiv:2402.19334";
    public const string Slerp = "Shoemake: Animating rotation with quaternion curves. SIGGRAPH 1985, doi:10.1145/325334.325242";
}
