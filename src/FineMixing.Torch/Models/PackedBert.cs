using FineMixing.Models;
using FineMixing.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Models;

/// <summary>
/// The forward pass of <see cref="BertForSequenceClassification"/> on a CPU without gradients, over texts laid end to end: there is no padding at all.
/// </summary>
/// <remarks>Same function, different arrangement: all tokens of a batch are rows of one matrix, and only <see cref="AttentionKernel"/> knows where a text begins and ends.</remarks>
internal static class PackedBert
{
    /// <summary>Scores before softmax, single precision [texts, labels].</summary>
    /// <param name="p">Weights on a CPU.</param>
    /// <param name="texts">Token ids and segments, each at least one token.</param>
    public static Tensor Logits(ParameterStore p, IReadOnlyList<Encoding> texts)
    {
        var places = new TextPlaces([.. texts.Select(t => t.Length)]);
        var x = Embed(p, texts);
        foreach (var layer in p.Layers)
        {
            using var scope = NewDisposeScope();
            x = Layer(p.Config, layer, x, places).MoveToOuterDisposeScope();
        }

        return FastBert.Classify(p, x.transpose(0, 1), dropout: null);
    }

    // [1, tokens, hidden]: libtorch adds the bias of a linear layer in a slower way to a plain matrix.
    private static Tensor Embed(ParameterStore p, IReadOnlyList<Encoding> texts)
    {
        var words = tensor(texts.SelectMany(t => t.Ids.Select(id => (long)id)).ToArray());
        var types = tensor(texts.SelectMany(t => t.TypeIds.Select(id => (long)id)).ToArray());
        var positions = tensor(texts.SelectMany(t => Enumerable.Range(0, t.Length).Select(i => (long)i)).ToArray());
        var sum = p.Words.index_select(0, words).add_(p.Types.Leaf.index_select(0, types)).add_(p.Positions.Leaf.index_select(0, positions));
        var x = nn.functional.layer_norm(sum, [p.Config.HiddenSize], p.EmbeddingNorm.Leaf, p.EmbeddingNormBias.Leaf, p.Config.LayerNormEpsilon);
        return (p.LowPrecision ? x.to(bfloat16) : x).unsqueeze(0);
    }

    // The last layer, whose query stands alone, gives one row for each text: only the first token is asked for.
    // Products leave their bias to what comes after them, which reads the rows anyway.
    private static Tensor Layer(ModelConfig config, LayerBlocks w, Tensor x, TextPlaces places)
    {
        Tensor context;
        if (w.QueryKeyValue is not null)
        {
            context = AttentionKernel.Run(Product(x, w.QueryKeyValue), w.QueryKeyValueBias!.Leaf, places, config.Heads);
        }
        else
        {
            var keyValue = Product(x, w.KeyValue);
            x = x.index_select(1, tensor(places.Starts));
            context = AttentionKernel.FirstTokens(Product(x, w.Query), w.QueryBias.Leaf, keyValue, w.KeyValueBias.Leaf, places, config.Heads);
        }

        var y = ResidualNorm.Run(Product(context, w.AttentionOutput), w.AttentionOutputBias.Leaf, x, w.AttentionNorm.Leaf, w.AttentionNormBias.Leaf, config.LayerNormEpsilon);
        var inner = Activations.Apply(config.Activation, nn.functional.linear(y, w.Intermediate.Leaf, w.IntermediateBias.Leaf));
        return ResidualNorm.Run(Product(inner, w.Output), w.OutputBias.Leaf, y, w.OutputNorm.Leaf, w.OutputNormBias.Leaf, config.LayerNormEpsilon);
    }

    private static Tensor Product(Tensor x, ParameterBlock weight) => nn.functional.linear(x, weight.Leaf);
}
