using FineMixing.Models;
using FineMixing.Torch.FineTuning;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Models;

/// <summary>What a caller wants to see besides the logits.</summary>
internal sealed class ForwardTrace
{
    /// <summary>The embeddings and the output of each layer, [batch, tokens, hidden]; the last layer for all tokens.</summary>
    public List<Tensor> HiddenStates { get; } = [];

    /// <summary>The activations inside each feed-forward block, [batch, tokens, intermediate].</summary>
    public List<Tensor> Intermediates { get; } = [];
}

/// <summary>
/// The forward pass of <see cref="BertForSequenceClassification"/> over a <see cref="ParameterStore"/>, arranged for speed.
/// </summary>
/// <remarks>
/// Same function, different arrangement: query, key and value are one product; the last layer computes only what the first token needs; padding beyond the batch's longest row is never made.
/// </remarks>
internal static class FastBert
{
    /// <summary>Scores before softmax, single precision [batch, labels].</summary>
    /// <param name="p">The weights.</param>
    /// <param name="batch">The input.</param>
    /// <param name="wordRows">Rows that <see cref="DeviceBatch.WordIndex"/> points into.</param>
    /// <param name="dropout">Training noise, or null.</param>
    /// <param name="trace">Filled with inner states when given; then the last layer runs for all tokens.</param>
    public static Tensor Logits(ParameterStore p, DeviceBatch batch, Tensor wordRows, DropoutSource? dropout = null, ForwardTrace? trace = null)
    {
        var x = Embed(p, batch, wordRows, dropout);
        trace?.HiddenStates.Add(x);
        foreach (var layer in p.Layers)
        {
            // What backward needs is kept by it; the rest of a layer goes at its end.
            using var scope = trace is null ? NewDisposeScope() : null;
            x = Layer(p.Config, layer, x, batch.Bias, dropout, trace);
            trace?.HiddenStates.Add(x);
            if (scope is not null)
                x.MoveToOuterDisposeScope();
        }

        return Classify(p, x, dropout);
    }

    internal static Tensor Embed(ParameterStore p, DeviceBatch batch, Tensor wordRows, DropoutSource? dropout)
    {
        var (config, rows, tokens) = (p.Config, batch.Rows, batch.Tokens);
        var (words, types) = p.Device.type == DeviceType.CPU
            ? (wordRows.index_select(0, batch.WordIndex), p.Types.Leaf.index_select(0, batch.TypeIndex))
            : InOrder(wordRows, p.Types.Leaf, batch);
        var x = words.view(rows, tokens, config.HiddenSize)
            + types.view(rows, tokens, config.HiddenSize)
            + p.Positions.Leaf.narrow(0, 0, tokens);
        x = Drop(dropout, Norm(config, x, p.EmbeddingNorm, p.EmbeddingNormBias), config.HiddenDropout);
        return p.LowPrecision ? x.to(bfloat16) : x;
    }

    // On a GPU the gradient of index_select is added up in any order, so that bits differ from run to run. Indexing sorts first, and a product has one order.
    internal static (Tensor Words, Tensor Types) InOrder(Tensor wordRows, Tensor types, DeviceBatch batch) =>
        (wordRows.index(batch.WordIndex), batch.TypeIndex.unsqueeze(1).eq(arange(types.shape[0], device: types.device)).to(types.dtype).mm(types));

    internal static Tensor Classify(ParameterStore p, Tensor x, DropoutSource? dropout)
    {
        var first = x.select(1, 0);
        var pooled = nn.functional.linear(first, p.PoolerWeight.Leaf, p.PoolerBias.Leaf).to(float32).tanh();
        return nn.functional.linear(Drop(dropout, pooled, p.Config.ClassifierDropout), p.ClassifierWeight.Leaf, p.ClassifierBias.Leaf);
    }

    internal static Tensor Layer(ModelConfig config, LayerBlocks w, Tensor x, Tensor? bias, DropoutSource? dropout, ForwardTrace? trace = null)
    {
        var (rows, tokens) = (x.shape[0], x.shape[1]);
        var (query, key, value) = Heads(config, w, x, firstTokenOnly: w.QueryKeyValue is null && trace is null);
        var queries = query.shape[2];
        var context = Attend(config, query, key, value, bias, dropout).transpose(1, 2).reshape(rows, queries, config.HiddenSize);
        var residual = queries == tokens ? x : x.narrow(1, 0, queries);
        var attended = nn.functional.linear(context, w.AttentionOutput.Leaf, w.AttentionOutputBias.Leaf);
        var y = Norm(config, Drop(dropout, attended, config.HiddenDropout) + residual, w.AttentionNorm, w.AttentionNormBias);
        var inner = Activations.Apply(config.Activation, nn.functional.linear(y, w.Intermediate.Leaf, w.IntermediateBias.Leaf));
        trace?.Intermediates.Add(inner);
        var outer = nn.functional.linear(inner, w.Output.Leaf, w.OutputBias.Leaf);
        return Norm(config, Drop(dropout, outer, config.HiddenDropout) + y, w.OutputNorm, w.OutputNormBias);
    }

    // Written out, except in single precision, without noise, and on a GPU only to classify: there libtorch's fused kernel is faster.
    // In bfloat16 its backward is ten times slower on a CPU, and on a GPU it is planned anew for every shape; with dropout it has no fast path; on a GPU the last bits of its backward differ from run to run.
    private static Tensor Attend(ModelConfig config, Tensor query, Tensor key, Tensor value, Tensor? bias, DropoutSource? dropout)
    {
        var noise = dropout is not null && dropout.Probability(config.AttentionDropout) > 0;
        if (!noise && query.dtype == ScalarType.Float32 && (query.device_type == DeviceType.CPU || !query.requires_grad))
            return nn.functional.scaled_dot_product_attention(query, key, value, bias);
        var scores = (query * (1.0 / Math.Sqrt(config.HeadSize))).matmul(key.transpose(-1, -2));
        if (bias is not null)
            scores = scores + bias;
        return Drop(dropout, scores.softmax(-1), config.AttentionDropout).matmul(value);
    }

    // Query [rows, heads, queries, size]; key and value [rows, heads, tokens, size].
    private static (Tensor Query, Tensor Key, Tensor Value) Heads(ModelConfig config, LayerBlocks w, Tensor x, bool firstTokenOnly)
    {
        var (rows, tokens, heads, size) = (x.shape[0], x.shape[1], config.Heads, config.HeadSize);
        if (w.QueryKeyValue is not null)
        {
            var all = nn.functional.linear(x, w.QueryKeyValue.Leaf, w.QueryKeyValueBias!.Leaf).view(rows, tokens, 3, heads, size).permute(2, 0, 3, 1, 4).unbind(0);
            return (all[0], all[1], all[2]);
        }

        // In one piece: libtorch multiplies strided rows of bfloat16 twenty times slower.
        var asked = firstTokenOnly ? x.narrow(1, 0, 1).contiguous() : x;
        var query = nn.functional.linear(asked, w.Query.Leaf, w.QueryBias.Leaf).view(rows, asked.shape[1], heads, size).transpose(1, 2);
        var pair = nn.functional.linear(x, w.KeyValue.Leaf, w.KeyValueBias.Leaf).view(rows, tokens, 2, heads, size).permute(2, 0, 3, 1, 4).unbind(0);
        return (query, pair[0], pair[1]);
    }

    private static Tensor Norm(ModelConfig config, Tensor x, ParameterBlock weight, ParameterBlock bias)
    {
        // A CPU normalises bfloat16 values with single-precision weights; a GPU wants one type, so it gets single precision.
        var mixed = x.device_type == DeviceType.CPU || x.dtype == ScalarType.Float32;
        var y = nn.functional.layer_norm(mixed ? x : x.to(float32), [config.HiddenSize], weight.Leaf, bias.Leaf, config.LayerNormEpsilon);
        return mixed ? y : y.to(x.dtype);
    }

    private static Tensor Drop(DropoutSource? dropout, Tensor x, double probability) => dropout is null ? x : dropout.Apply(x, probability);
}
