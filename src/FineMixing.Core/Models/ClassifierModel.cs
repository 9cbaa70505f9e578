using FineMixing.Checkpoints;
using FineMixing.Tokenization;

namespace FineMixing.Models;

/// <summary>A text classifier in memory: architecture, tokenizer and weights under their canonical names (<c>bert.*</c>, <c>classifier.*</c>).</summary>
/// <param name="Config">The architecture.</param>
/// <param name="Tokenizer">Turns text into the ids the model was trained on.</param>
/// <param name="Weights">All weights; never changed by FineMixing once the model exists.</param>
public sealed record ClassifierModel(ModelConfig Config, ITextTokenizer Tokenizer, StateDict Weights);
